"""Code tables: local terms to standard codes, as people review them in ``mappings/codes/*.csv``.

Columns of every table: ``term,label,system,code,display,unit,source,reviewer,licence``; those of
procedures and measurements also have ``category``, and ``relation`` stands where a code is not
equivalent to its term. A study's own tables may leave out the last four. A term may stand in
several rows: each is one Coding, the first one leads. A row with a unit holds only for values in
that unit (UCUM), so that the code follows the unit.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mappings.locations import CANONICAL

OPTIONAL = ("category", "reviewer", "licence", "relation")
AFFILIATE = "snomed-affiliate"  # licence of SNOMED concepts outside the Global Patient Set


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One line of a code table."""

    term: str
    label: str
    system: str
    code: str
    display: str
    unit: str
    source: str
    category: str = ""
    reviewer: str = ""
    licence: str = ""
    relation: str = ""  # of the term to the code; empty: equivalent

    def coding(self) -> dict[str, Any]:
        """The row as a FHIR Coding."""
        coding = {"system": self.system, "code": self.code}
        if self.display:
            coding["display"] = self.display
        return coding


@dataclass(frozen=True, slots=True)
class CodeTable:
    """A table by its name, with its rows grouped by term."""

    name: str
    terms: Mapping[str, tuple[CodeRow, ...]]
    _units: dict[str, tuple[str, ...]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __contains__(self, term: str) -> bool:
        return term in self.terms

    def rows(self, term: str, unit: str | None = None) -> tuple[CodeRow, ...]:
        """The rows of a term that hold for this unit. Raises KeyError for an unknown term."""
        rows = self.terms[term]
        if unit is None:
            return rows
        return tuple(row for row in rows if not row.unit or row.unit == unit)

    def units(self, term: str) -> tuple[str, ...]:
        """The UCUM units a term is known in; empty when it has none."""
        if term not in self._units:
            rows = self.terms[term]
            self._units[term] = tuple(dict.fromkeys(row.unit for row in rows if row.unit))
        return self._units[term]


def read_table(name: str, lines: Iterable[str]) -> CodeTable:
    """Parse the lines of a code table. Raises ValueError naming a missing column."""
    reader = csv.DictReader(lines)
    wanted = ("term", "label", "system", "code", "display", "unit", "source")
    missing = [column for column in wanted if column not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(f"code table {name}: missing column {', '.join(missing)}")
    terms: dict[str, list[CodeRow]] = {}
    for row in reader:
        values = {column: row[column] for column in wanted}
        more = {column: row.get(column) or "" for column in OPTIONAL}
        terms.setdefault(row["term"], []).append(CodeRow(**values, **more))
    return CodeTable(name, {term: tuple(rows) for term, rows in terms.items()})


def merged(base: CodeTable, more: CodeTable) -> CodeTable:
    """The base table with the terms of another one added or replaced."""
    return CodeTable(base.name, {**base.terms, **more.terms})


def term_system(table: str) -> str:
    """The URL of the code system that a table's own terms make up."""
    return f"{CANONICAL}/CodeSystem/{table}"


def release_systems(lines: Iterable[str], release: str) -> dict[str, str]:
    """System to the one that a release binds to, of the lines of ``release_systems.csv``."""
    rows = csv.DictReader(lines)
    return {row["system"]: row["written_as"] for row in rows if row["release"] == release}


def with_systems(table: CodeTable, written_as: Mapping[str, str]) -> CodeTable:
    """The table with systems replaced whose codes are the same under another URL."""
    terms = {
        term: tuple(replace(row, system=written_as.get(row.system, row.system)) for row in rows)
        for term, rows in table.terms.items()
    }
    return CodeTable(table.name, terms)


def freely_licensed(table: CodeTable) -> CodeTable:
    """The table without the rows that need a SNOMED CT affiliate licence.

    A term, or a unit of a term, that would be left without any code gets the term itself as code
    of our own system, so that nothing is ever without one. https://www.snomed.org/gps
    """
    return CodeTable(
        table.name, {term: _freely_licensed(table.name, rows) for term, rows in table.terms.items()}
    )


def _freely_licensed(table: str, rows: tuple[CodeRow, ...]) -> tuple[CodeRow, ...]:
    free = tuple(row for row in rows if row.licence != AFFILIATE)
    if len(free) == len(rows):
        return rows
    covered = {row.unit for row in free if row.code}
    bare = {row.unit: row for row in rows if row.licence == AFFILIATE}
    if "" in covered:
        return free
    return free + tuple(_own(table, row) for unit, row in bare.items() if unit not in covered)


def _own(table: str, row: CodeRow) -> CodeRow:
    return replace(
        row,
        system=term_system(table),
        code=row.term,
        display=row.label,
        source="LOCAL",
        licence="own",
        relation="",
    )
