"""Excel workbooks (.xlsx, .xlsb, .xls, .ods): the header is the first row of the sheet."""

from __future__ import annotations

import datetime as dt
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from adapter.errors import SourceError, Where
from adapter.settings import SourceSettings
from adapter.sources.row import Row, Table


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
        _row(source.name, columns, line, cells)
        for line, cells in enumerate(values[1:], start=2)
        if any(_text(cell) for cell in cells)
    )
    return Table(source.name, source.file, tuple(filter(None, columns)), rows, sheet=name)


def _sheet(source: SourceSettings) -> tuple[str, list[list[Any]]]:
    place = Where(file=source.file, sheet=source.sheet)
    try:
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
    except (CalamineError, OSError) as error:
        raise SourceError(
            f"cannot be read as a workbook: {type(error).__name__}", where=place
        ) from None


def _row(source: str, columns: tuple[str, ...], line: int, cells: list[Any]) -> Row:
    named: dict[str, str] = {}
    fault = None
    for index, cell in enumerate(cells):
        column = columns[index] if index < len(columns) else ""
        if column:
            named[column] = _text(cell)
        elif _text(cell):
            named[f"(cell {index + 1})"] = _text(cell)
            fault = "a cell without a column name"
    return Row(source, line, named, fault)


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, dt.datetime):
        midnight = cell.time() == dt.time()
        return cell.date().isoformat() if midnight else cell.isoformat(sep=" ")
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    return str(cell)
