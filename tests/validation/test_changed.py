"""Only what changed: by git, or by the time of a file."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from adapter.errors import UsageError
from adapter.validation.changed import changed_since

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two committed files."""
    folder = tmp_path / "repository"
    (folder / "sub").mkdir(parents=True)
    for name in ("old.json", "sub/edited.json"):
        (folder / name).write_text("{}")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(folder)]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)  # noqa: S603
    return folder


@needs_git
def test_edited_and_new_files_have_changed(repository: Path) -> None:
    (repository / "sub/edited.json").write_text('{"a": 1}')
    (repository / "ünicode new.json").write_text("{}")
    (repository / "notes.txt").write_text("x")
    found = changed_since("HEAD", [str(repository)])
    assert found == [str(repository / name) for name in ("sub/edited.json", "ünicode new.json")]


@needs_git
def test_a_single_file_is_asked_for(repository: Path) -> None:
    path = repository / "sub/edited.json"
    assert changed_since("HEAD", [str(path)]) == []
    path.write_text('{"a": 1}')
    assert changed_since("HEAD", [str(path)]) == [str(path)]


@needs_git
@pytest.mark.parametrize("revision", ["no-such-revision", "--output=/tmp/x", ""])
def test_a_revision_that_git_does_not_know(repository: Path, revision: str) -> None:
    with pytest.raises(UsageError):
        changed_since(revision, [str(repository)])


@needs_git
def test_a_folder_without_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="git"):
        changed_since("HEAD", [str(tmp_path)])


def test_files_newer_than_a_file(tmp_path: Path) -> None:
    for name, seconds in (("old.json", 100), ("stamp", 200), ("new.json", 300)):
        (tmp_path / name).write_text("{}")
        os.utime(tmp_path / name, (seconds, seconds))
    found = changed_since(str(tmp_path / "stamp"), [str(tmp_path)])
    assert found == [str(tmp_path / "new.json")]


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        changed_since("HEAD", [str(tmp_path / "nothing")])
