"""Finds the data that is shipped with the package, installed or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """The folder ``profiles`` or ``examples``: inside an installed package, else in the repository.

    An editable install has no copy inside the package, so the repository's own folder serves.
    Raises FileNotFoundError when neither is there.
    """
    for folder in (_PACKAGE / f"_{name}", _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"{name}: not in the installed package and not in a checkout")


def schema(name: str) -> Path:
    """A JSON Schema of ours by its name."""
    return _PACKAGE / "schemas" / f"{name}.schema.json"
