"""What is left to send to a server: the stage that comes next, and the subjects in it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import sqlalchemy as sa

from adapter.outbox.tables import PENDING, Stage, change_table


def earliest(db: sa.Connection, server: int, before: Stage | None = None) -> int | None:
    """The earliest stage with something left to send; None when there is none ``before``."""
    table = change_table
    stages = [
        db.execute(
            sa.select(sa.func.min(table.c.stage)).where(
                table.c.server == server, table.c.state == state
            )
        ).scalar()
        for state in PENDING
    ]
    found = min((stage for stage in stages if stage is not None), default=None)
    return None if found is None or (before is not None and found >= before) else found


def waiting(db: sa.Connection, server: int, stage: int) -> Iterator[tuple[str, int]]:
    """The subjects with something left to send in a stage and how much, once for each state.

    In the order of subjects, straight from an index: who stops reading spares the rest.
    """
    table = change_table
    each = (
        sa.select(table.c.subject, sa.func.count())
        .where(table.c.server == server, table.c.stage == stage, table.c.state == state)
        .group_by(table.c.subject)
        .order_by(table.c.subject)
        for state in PENDING
    )
    yield from heapq.merge(*(map(tuple, db.execute(query)) for query in each))
