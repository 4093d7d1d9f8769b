"""The report of a mapping."""

from __future__ import annotations

from pathlib import Path

from adapter.errors import UsageError, Where
from adapter.mapping import MapResult
from adapter.privacy import write_private
from adapter.report import render


def write_report(mapped: MapResult, out: Path, *, with_source: bool = False) -> Path:
    """Write the report as one HTML file; with source rows it is personal data."""
    page = render(
        f"{mapped.study.settings.study}",
        mapped.ledger,
        mapped.resources,
        tables=mapped.tables if with_source else None,
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if not with_source:
            out.write_text(page, encoding="utf-8")
    except OSError:
        raise UsageError("the file cannot be written", where=Where(file=str(out))) from None
    if with_source:
        write_private(out, page.encode())
    return out
