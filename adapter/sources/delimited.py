"""CSV and its relatives: text in, text out; the encoding is stated, never guessed."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from io import StringIO

from adapter.errors import SourceError, Where
from adapter.settings import SourceSettings
from adapter.sources.row import Row, Table

CELL_LIMIT = 1_000_000


def read_delimited(source: SourceSettings) -> Table:
    """Read a delimited file with a header line. Raises SourceError; a bad row is a Row fault."""
    csv.field_size_limit(CELL_LIMIT)
    text = StringIO(_text(source), newline="")
    reader = csv.reader(text, delimiter=source.delimiter, strict=True)
    records = _records(reader, source)
    header = next(records, None)
    if header is None:
        raise SourceError("the file is empty", where=Where(file=source.file))
    columns = _columns(header[1], source)
    rows = tuple(_row(source.name, columns, line, cells) for line, cells in records)
    return Table(source.name, source.file, columns, rows)


def _text(source: SourceSettings) -> str:
    try:
        data = source.path.read_bytes()
    except OSError as error:
        raise SourceError(
            "there is no such file" if isinstance(error, FileNotFoundError) else "cannot be read",
            where=Where(file=source.file),
            hint=f"sources.{source.name}.file in study.yaml is relative to the study folder",
        ) from None
    try:
        return data.decode(source.encoding)
    except LookupError:
        raise SourceError(
            f"there is no encoding {source.encoding!r}", where=Where(file=source.file)
        ) from None
    except UnicodeDecodeError as error:
        raise SourceError(
            f"is not {source.encoding} text",
            where=Where(file=source.file, line=data.count(b"\n", 0, error.start) + 1),
            hint=f"state the encoding: sources.{source.name}.encoding (such as gb18030)",
        ) from None


def _records(
    reader: Iterator[list[str]], source: SourceSettings
) -> Iterator[tuple[int, list[str]]]:
    while True:
        line = getattr(reader, "line_num", 0) + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SourceError(
                f"not readable as delimited text: {error}",
                where=Where(file=source.file, line=line),
                hint="is a quote left open, or the delimiter another one?",
            ) from None
        if cells:
            yield line, cells


def _columns(header: list[str], source: SourceSettings) -> tuple[str, ...]:
    doubled = [name for name, count in Counter(header).items() if count > 1]
    if doubled:
        raise SourceError(
            f"the column {doubled[0]!r} stands {header.count(doubled[0])} times in the header",
            where=Where(file=source.file, line=1, column=doubled[0]),
            hint="give each column a name of its own",
        )
    return tuple(header)


def _row(source: str, columns: tuple[str, ...], line: int, cells: list[str]) -> Row:
    fault = None
    if len(cells) != len(columns):
        fault = f"{len(cells)} cells where the header has {len(columns)}"
    named = dict(zip(columns, cells, strict=False))
    named.update({f"(cell {n + 1})": cells[n] for n in range(len(columns), len(cells))})
    return Row(source, line, named, fault)
