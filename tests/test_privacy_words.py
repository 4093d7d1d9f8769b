"""Words that must not stand anywhere in the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = {".git", ".venv", "build", "dist", "out", "__pycache__", ".study-fhir"}
# the validator and its tests speak of resources that others made
VALIDATION = re.compile(
    r"validat|pytest_plugin|tests/official|tests/web|profiles/(definitions|codes)"
)
NEVER = (
    "example" + r"\.org",  # identifiers of ours must be in a name space of ours
    "read" + "_file id",  # notes of the tools that a code was looked up with
)


def texts() -> dict[str, str]:
    """Every text file of the repository, by its path."""
    found = {}
    for path in ROOT.rglob("*"):
        place = path.relative_to(ROOT)
        hidden = any(part.endswith("_cache") or part == ".hypothesis" for part in place.parts)
        if hidden or not path.is_file() or not LEFT_OUT.isdisjoint(place.parts):
            continue
        try:
            found[place.as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


@pytest.mark.parametrize("words", NEVER)
def test_words_that_must_not_stand_here(words: str) -> None:
    files = texts()
    assert len(files) > 50
    found = [name for name, text in files.items() if re.search(words, text)]
    assert [name for name in found if not VALIDATION.search(name)] == []


def test_no_key_or_outbox_is_committed() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.key", "*.sqlite*", "*.token", "*study-fhir/*"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert listed.stdout == ""
