"""Whose resources are read: the file that study.yaml names under ``pull.patients``.

One line a child: ``patient``, the id of its Patient on that server, or ``system`` and ``value``,
an identifier. https://hl7.org/fhir/R4/datatypes.html#id
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from adapter.errors import SourceError, Where

ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
IDENTIFIER = ("system", "value")
HINT = "the header is `patient`, or `system,value`; docs/pull.md has an example"


@dataclass(frozen=True, slots=True, repr=False)
class Child:
    """One line of the cohort file: an id, or an identifier that is still to be looked up."""

    line: int
    id: str | None = None
    system: str = ""
    value: str = ""

    @property
    def key(self) -> str:
        """What the child is remembered by between runs."""
        return self.id or f"{self.system}|{self.value}"

    @property
    def token(self) -> str:
        """The identifier as a search wants it. https://hl7.org/fhir/R4/search.html#escaping"""
        return "|".join(re.sub(r"([\\$,|])", r"\\\1", part) for part in (self.system, self.value))


def read_cohort(path: Path, file: str) -> list[Child]:
    """The children of a cohort file. Raises SourceError with file and line, never with a value."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError:
        raise SourceError(
            "the cohort file cannot be read",
            where=Where(file=file),
            hint="pull.patients in study.yaml is relative to the study folder",
        ) from None
    except UnicodeDecodeError:
        raise SourceError("the cohort file is not utf-8 text", where=Where(file=file)) from None
    children = list(_children(csv.DictReader(StringIO(text, newline=""), strict=True), file))
    if not children:
        raise SourceError("the cohort file names nobody", where=Where(file=file), hint=HINT)
    seen: set[str] = set()
    for child in children:
        if child.key in seen:
            raise SourceError("a child stands here twice", where=Where(file=file, line=child.line))
        seen.add(child.key)
    return children


def _children(rows: csv.DictReader[str], file: str) -> Iterator[Child]:
    try:
        names = set(rows.fieldnames or ())
        if not ("patient" in names or names.issuperset(IDENTIFIER)):
            raise SourceError(
                "the cohort file has no column that says who", where=Where(file=file), hint=HINT
            )
        for row in rows:
            yield _child(row, rows.line_num, file)
    except csv.Error:
        raise SourceError(
            "the cohort file is not readable as CSV", where=Where(file=file, line=rows.line_num)
        ) from None


def _child(row: dict[str, str | None], line: int, file: str) -> Child:
    given = (row.get("patient") or "").strip()
    system, value = ((row.get(name) or "").strip() for name in IDENTIFIER)
    where = Where(file=file, line=line)
    if bool(given) == bool(value):
        raise SourceError("a line needs either an id or an identifier", where=where, hint=HINT)
    if given and not ID.fullmatch(given):
        raise SourceError("this is no id of FHIR", where=where, hint="A-Z a-z 0-9 . - up to 64")
    if value and not system:
        raise SourceError("an identifier needs its system", where=where, hint=HINT)
    return Child(line, given or None, system, value)
