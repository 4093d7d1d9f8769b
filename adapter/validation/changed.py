"""Which files changed: since a revision of git, or since another file was written."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from adapter.errors import UsageError
from adapter.validation.reading import files_in

SECONDS = 60


def changed_since(since: str, paths: Iterable[str]) -> list[str]:
    """The files of these paths that are newer than a file, or differ from a git revision.

    Files that git does not know yet count as changed. Raises UsageError where git cannot say.
    """
    found: list[str] = []
    reference = Path(since)
    newer_than = reference.stat().st_mtime_ns if reference.is_file() else None
    for path in map(Path, paths):
        if not path.exists():
            raise UsageError(f"there is no file or folder {path}")
        files = files_in(path) if path.is_dir() else [path]
        if newer_than is not None:
            found += [str(file) for file in files if file.stat().st_mtime_ns > newer_than]
        else:
            changed = _changed(path if path.is_dir() else path.parent, since)
            found += [str(file) for file in files if file.resolve() in changed]
    return found


def _changed(folder: Path, revision: str) -> set[Path]:
    if revision.startswith("-"):
        raise UsageError(f"{revision} is no revision of git")
    top = Path(_git(folder, "rev-parse", "--show-toplevel").rstrip("\n"))
    _git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    tracked = _git(top, "diff", "--name-only", "-z", "--no-ext-diff", revision, "--")
    untracked = _git(top, "ls-files", "--others", "--exclude-standard", "-z")
    names = [*tracked.split("\0"), *untracked.split("\0")]
    return {(top / name).resolve() for name in names if name}


def _git(folder: Path, *arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        raise UsageError("--changed-since needs git, which is not installed")
    command = [git, "-C", str(folder), *arguments]
    try:
        done = subprocess.run(  # noqa: S603  no shell, and the revision cannot be an option
            command, capture_output=True, check=True, timeout=SECONDS
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise UsageError(
            f"git cannot say what changed in {folder}",
            hint="give a revision that this repository has, or a file to compare dates with",
        ) from None
    return done.stdout.decode("utf-8", "surrogateescape")
