"""The row ledger: every non-empty cell ends as mapped, defaulted, merged, omitted or rejected.

Cells are counted once each, at the best that became of them: a key cell shared by a good and a bad
entity counts as mapped, while the bad entity stands in the list of rejects all the same. The run
fails when a cell has no outcome.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from adapter.errors import LedgerError
from adapter.sources import Table

# The best outcome first; a later one never replaces an earlier one.
OUTCOMES = ("mapped", "defaulted", "merged", "rejected", "omitted")
_RANK = {outcome: rank for rank, outcome in enumerate(OUTCOMES)}


@dataclass(frozen=True, slots=True, order=True)
class Reject:
    """A row or cell that did not become FHIR: its place and the rule, never its content."""

    source: str
    file: str
    sheet: str | None
    line: int
    column: str
    rule: str
    reason: str = field(compare=False)
    entity: str = field(compare=False)
    effect: str = field(compare=False)  # row | cell
    cells: int = field(compare=False, default=0)

    @property
    def place(self) -> str:
        """``file[sheet]:line:column``."""
        sheet = f"[{self.sheet}]" if self.sheet else ""
        return f"{self.file}{sheet}:{self.line}" + (f":{self.column}" if self.column else "")

    def to_json(self) -> dict[str, Any]:
        """The reject as in ledger.json."""
        return {name: getattr(self, name) for name in self.__slots__}


class Ledger:
    """Collects what became of each cell, and sums it up."""

    def __init__(self, tables: Mapping[str, Table]):
        self._tables = tables
        self._cells: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
        self._reasons: dict[tuple[str, int, str], str] = {}
        self._rejects: dict[tuple[str, int, str, str], Reject] = {}
        self._rejected_by: dict[tuple[str, int, str], tuple[str, int, str, str]] = {}

    def record(self, source: str, line: int, columns: Iterable[str], outcome: str) -> None:
        """Give these cells of a row an outcome, unless they have a better one."""
        cells = self._cells[(source, line)]
        for column in columns:
            known = cells.get(column)
            if known is None or _RANK[outcome] < _RANK[known]:
                cells[column] = outcome

    def omit(self, source: str, line: int, column: str, reason: str) -> None:
        """Leave a cell out for a reason."""
        self.record(source, line, (column,), "omitted")
        self._reasons[(source, line, column)] = reason

    def reject(
        self,
        source: str,
        line: int,
        column: str,
        rule: str,
        reason: str,
        *,
        entity: str,
        effect: str,
        columns: Iterable[str],
    ) -> None:
        """Reject these cells of a row because of one column (none for the row as such)."""
        table = self._tables[source]
        key = (source, line, column, rule)
        if key not in self._rejects:
            self._rejects[key] = Reject(
                source, table.file, table.sheet, line, column, rule, reason, entity, effect
            )
        columns = tuple(columns)
        self.record(source, line, columns, "rejected")
        for name in columns:
            self._rejected_by.setdefault((source, line, name), key)

    def rejects(self) -> list[Reject]:
        """All rejects by place, each with the number of cells that count as rejected by it."""
        cells = Counter(
            key
            for (source, line, column), key in self._rejected_by.items()
            if self._cells[(source, line)].get(column) == "rejected"
        )
        return sorted(replace(r, cells=cells[key]) for key, r in self._rejects.items())

    def sums(self) -> dict[str, dict[str, Any]]:
        """Per source: rows, cells and each outcome. Raises LedgerError when a cell has none."""
        sums = {}
        lost: Counter[str] = Counter()
        for name, table in self._tables.items():
            counts: Counter[str] = Counter(dict.fromkeys(("cells", "empty", *OUTCOMES), 0))
            for row in table.rows:
                outcomes = self._cells.get((name, row.line), {})
                counts["cells"] += len(row.cells)
                counts["empty"] += len(row.cells) - len(row.held)
                for column in row.held:
                    if column in outcomes:
                        counts[outcomes[column]] += 1
                    else:
                        lost[f"{table.file}:{row.line}:{column}"] += 1
            sums[name] = {"file": table.file, "rows": len(table.rows), **counts}
        if lost:
            raise LedgerError(
                f"{sum(lost.values())} cells have no outcome, the first: {next(iter(lost))}",
                hint="no recipe takes these rows: see `form` and `where` in study.yaml",
            )
        return sums

    def omissions(self) -> list[dict[str, Any]]:
        """Omitted cells counted by source, column and reason."""
        counts = Counter(
            (source, column, reason)
            for (source, line, column), reason in self._reasons.items()
            if self._cells[(source, line)].get(column) == "omitted"
        )
        return [
            {"source": source, "column": column, "reason": reason, "cells": cells}
            for (source, column, reason), cells in sorted(counts.items())
        ]
