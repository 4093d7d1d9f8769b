"""The report: one self-contained page, with no script, style or font from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined

from adapter.fhir.json import dumps
from adapter.mapped import Mapped
from adapter.report.enrolment import enrolment
from adapter.report.subjects import SubjectView, one_of_each_arm, subject_views
from adapter.report.timeline import timeline
from adapter.sources import Table

OUTCOMES = ("mapped", "defaulted", "merged", "omitted", "rejected", "empty")


def render(
    title: str,
    ledger: Mapping[str, Any],
    mapped: Sequence[Mapped],
    *,
    tables: Mapping[str, Table] | None = None,
) -> str:
    """The page as HTML; the same input gives the same bytes.

    ``ledger`` is the content of ledger.json. With ``tables`` the source rows stand beside the FHIR
    they became, and the page says that it is personal data.
    """
    views = subject_views(mapped)
    environment = Environment(
        loader=PackageLoader("adapter.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    counts = ledger["resources"]
    return environment.get_template("report.html").render(
        title=title,
        ledger=ledger,
        outcomes=OUTCOMES,
        counts=counts,
        most=max(counts.values(), default=1),
        total=sum(counts.values()),
        enrolment=enrolment(views),
        arms=_by_arm(views),
        timeline=timeline,
        examples=[(view, _json(view)) for view in one_of_each_arm(views)],
        source_rows=_source_rows(tables),
        with_source=tables is not None,
    )


def _by_arm(views: Sequence[SubjectView]) -> dict[str, list[SubjectView]]:
    arms: dict[str, list[SubjectView]] = {}
    for view in views:
        arms.setdefault(view.arm, []).append(view)
    return dict(sorted(arms.items()))


def _json(view: SubjectView) -> list[tuple[str, str]]:
    return [
        (
            each.reference,
            orjson.dumps(orjson.loads(dumps(each.resource)), option=orjson.OPT_INDENT_2).decode(),
        )
        for each in view.resources
    ]


def _source_rows(tables: Mapping[str, Table] | None) -> Any:
    """The function from a subject to its source rows: place, cells, and what they became."""
    rows = {
        (name, row.line): row.cells for name, table in (tables or {}).items() for row in table.rows
    }

    def of(view: SubjectView) -> list[tuple[str, list[tuple[str, str]], list[str]]]:
        became: dict[tuple[str, int], list[str]] = {}
        for each in view.resources:
            for origin in each.origins:
                became.setdefault((origin.source, origin.line), []).append(each.reference)
        return [
            (f"{source}:{line}", [(c, v) for c, v in rows[(source, line)].items() if v], references)
            for (source, line), references in sorted(became.items())
        ]

    return of
