"""The lines of code tables: mappings/codes/*.csv, and the study's own."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from importlib import resources as package_files
from io import StringIO
from pathlib import Path
from typing import TypeAlias

from adapter.errors import Where
from adapter.settings import StudySettings
from mappings.code_tables import CodeRow

Rows: TypeAlias = tuple[tuple[int, dict[str, str]], ...]


def place_of(settings: StudySettings, table: str, row: CodeRow, column: str) -> Where:
    """Where a row stands; a study's own table goes before ours, term by term.

    A row that a licence keeps from being written stands there with its code, not with ours.
    """
    own = settings.codes.get(table)
    files = [(own.relative_to(settings.folder).as_posix(), _study_rows(own))] if own else []
    for shown, rows in (*files, (f"mappings/codes/{table}.csv", _shipped_rows(table))):
        of_term = [(line, cells) for line, cells in rows if cells["term"] == row.term]
        of_unit = [(line, cells) for line, cells in of_term if cells["unit"] == row.unit]
        of_code = [(n, c) for n, c in of_unit if (c["system"], c["code"]) == (row.system, row.code)]
        for line, _ in (*of_code, *of_unit, *of_term):
            return Where(file=shown, line=line, column=column)
    return Where(file=f"mappings/codes/{table}.csv", column=column)


@cache
def _study_rows(file: Path) -> Rows:
    return tuple(_rows(file.read_text(encoding="utf-8-sig")))


@cache
def _shipped_rows(table: str) -> Rows:
    file = package_files.files("mappings").joinpath("codes", f"{table}.csv")
    return tuple(_rows(file.read_text(encoding="utf-8"))) if file.is_file() else ()


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row with the line it begins at."""
    reader = csv.DictReader(StringIO(text, newline=""))
    start = 2
    for cells in reader:
        yield start, cells
        start = reader.line_num + 1
