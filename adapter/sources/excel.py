"""Excel workbooks (.xlsx, .xlsb, .xls, .ods): the header is the first row of the sheet.

All but .xls are zip files; what they unpack to is looked up in their directory before they are.
"""

from __future__ import annotations

import datetime as dt
import struct
import zipfile
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from adapter.errors import SourceError, Where
from adapter.settings import SourceSettings
from adapter.sources.row import Row, Table

MB = 1_000_000
MEMBER, RATIO, TOTAL = 20 * MB, 100, 1000 * MB  # bytes unpacked, and times the packed size
XLS = bytes.fromhex("d0cf11e0a1b11ae1")  # how an .xls begins, which packs nothing
NO_ZIP = (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error)


def read_excel(source: SourceSettings) -> Table:
    """Read one sheet; line numbers are the sheet's. Raises SourceError."""
    name, values = _sheet(source)
    place = Where(file=source.file, sheet=name, line=1)
    if not values:
        raise SourceError("the sheet is empty", where=place)
    columns = tuple(_text(cell).strip() for cell in values[0])
    doubled = next((column for column in columns if column and columns.count(column) > 1), None)
    if doubled:
        raise SourceError(f"the column {doubled!r} stands twice in the header", where=place)
    rows = tuple(
        _row(source, columns, line, cells)
        for line, cells in enumerate(values[1:], start=2)
        if any(_text(cell) for cell in cells)
    )
    return Table(source.name, source.file, tuple(filter(None, columns)), rows, sheet=name)


def _sheet(source: SourceSettings) -> tuple[str, list[list[Any]]]:
    place = Where(file=source.file, sheet=source.sheet)
    try:
        if _swells(source.path):
            raise SourceError(
                "the workbook unpacks to far more than its size, as a zip bomb does",
                where=place,
                hint="save it anew with the needed sheet alone, or as CSV",
            )
        workbook = CalamineWorkbook.from_path(str(source.path))
        name = source.sheet or workbook.sheet_names[0]
        if name not in workbook.sheet_names:
            raise SourceError(
                f"the workbook has no such sheet (it has: {', '.join(workbook.sheet_names)})",
                where=place,
                hint=f"set sources.{source.name}.sheet",
            )
        return name, workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except FileNotFoundError:
        raise SourceError("there is no such file", where=place) from None
    except (CalamineError, OSError, *NO_ZIP) as error:
        raise SourceError(
            f"cannot be read as a workbook: {type(error).__name__}", where=place
        ) from None


def _swells(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except NO_ZIP:
        with path.open("rb") as file:
            if file.read(len(XLS)) == XLS:
                return False
        raise
    return sum(each.file_size for each in members) > TOTAL or any(
        each.file_size > max(MEMBER, RATIO * each.compress_size) for each in members
    )


def _row(source: SourceSettings, columns: tuple[str, ...], line: int, cells: list[Any]) -> Row:
    named: dict[str, str] = {}
    fault = None
    for index, cell in enumerate(cells):
        column = columns[index] if index < len(columns) else ""
        if column:
            named[column] = _text(cell, source.decimal)
        elif _text(cell):
            named[f"(cell {index + 1})"] = _text(cell, source.decimal)
            fault = "a cell without a column name"
    return Row(source.name, line, named, fault)


def _text(cell: Any, decimal: str = ".") -> str:
    """The cell as it would stand in a CSV file with this decimal sign."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell).replace(".", decimal)
    if isinstance(cell, dt.datetime):
        midnight = cell.time() == dt.time()
        return cell.date().isoformat() if midnight else cell.isoformat(sep=" ")
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    return str(cell)
