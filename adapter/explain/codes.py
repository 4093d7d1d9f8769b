"""The lines of code tables: mappings/codes/*.csv, and the study's own."""

from __future__ import annotations

import csv
from importlib import resources as package_files
from io import StringIO

from adapter.errors import Where
from adapter.explain.differences import CodeUse
from adapter.settings import StudySettings


def place_of(settings: StudySettings, use: CodeUse) -> Where:
    """Where the row stands; a study's own table goes before ours, term by term."""
    own = settings.codes.get(use.table)
    if own is not None:
        lines = _lines(own.read_text(encoding="utf-8-sig"), use.term)
        if lines:
            shown = own.relative_to(settings.folder).as_posix()
            return Where(file=shown, line=lines[use.row], column=use.column)
    file = package_files.files("mappings").joinpath("codes", f"{use.table}.csv")
    lines = _lines(file.read_text(encoding="utf-8"), use.term)
    line = lines[use.row] if use.row < len(lines) else None
    return Where(file=f"mappings/codes/{use.table}.csv", line=line, column=use.column)


def _lines(text: str, term: str) -> list[int]:
    reader = csv.DictReader(StringIO(text, newline=""))
    found, start = [], 2
    for row in reader:
        if row["term"] == term:
            found.append(start)
        start = reader.line_num + 1
    return found
