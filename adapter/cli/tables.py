"""Tables that several commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from adapter.fhir.json import dumps
from adapter.outbox import Item
from adapter.recipes import Reject

SHOWN = 40
PATHS = 5  # of one resource


def ledger_table(ledger: Mapping[str, Any]) -> Table:
    """The sums of the ledger: cells by source and outcome."""
    names = ("cells", "empty", "mapped", "defaulted", "merged", "omitted", "rejected")
    table = Table("source", "rows", *names, title="Ledger (cells)", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for source, sums in ledger["sources"].items():
        table.add_row(source, str(sums["rows"]), *(f"{sums[name]:,}" for name in names))
    return table


def rejects_table(rejects: Sequence[Reject], limit: int = SHOWN) -> Table:
    """Every reject with place, rule and reason; never a value."""
    table = Table("place", "effect", "rule", "why", title="Rejected", title_justify="left")
    for column in table.columns[:3]:
        column.no_wrap, column.overflow = True, "fold"
    for reject in rejects[:limit]:
        table.add_row(reject.place, reject.effect, reject.rule, reject.reason)
    if len(rejects) > limit:
        table.add_row(f"... and {len(rejects) - limit} more", "", "", "`map --out` lists all")
    return table


def counts_table(counts: Mapping[str, int]) -> Table:
    """Resources by type."""
    table = Table("resource type", "mapped", title_justify="left")
    table.columns[1].justify = "right"
    for kind, count in counts.items():
        table.add_row(kind, f"{count:,}")
    table.add_row("all", f"{sum(counts.values()):,}", style="bold")
    return table


def plan_table(items: Sequence[Item], limit: int = SHOWN) -> Table:
    """What becomes of which resource, and where it differs; values where the plan holds them."""
    table = Table("action", "resource", "differs at", title="Plan", title_justify="left")
    for column in table.columns[:2]:
        column.no_wrap, column.overflow = True, "fold"
    for item in items[:limit]:
        places = [_place(change) for change in item.changes[:PATHS]]
        if len(item.changes) > PATHS:
            places.append(f"... and {len(item.changes) - PATHS} more")
        table.add_row(item.action, item.reference, Text("\n".join(places)))
    if len(items) > limit:
        table.add_row(f"... and {len(items) - limit:,} more", "see --out", "")
    return table


def _place(change: Mapping[str, Any]) -> str:
    if "from" not in change:
        return str(change["path"])
    old, new = (dumps(change[name]).decode() for name in ("from", "to"))
    return f"{change['path']} from {old} to {new}"
