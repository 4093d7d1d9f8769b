"""What every part of an outbox works with: the database, where it is, and what marks it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from adapter.outbox import ledger
from adapter.outbox import marker as marks
from adapter.outbox.engine import alone
from adapter.outbox.tables import meta_table, server_table, tombstone_table


class Database:
    """The database of one outbox; ``where`` is what people call it."""

    def __init__(self, engine: sa.Engine, where: str, marker: Path | None = None):
        self._engine = engine
        self.where = where
        self._marker = marker

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._engine.connect().execution_options(reading=True) as db:
            yield db

    def _note(self) -> None:
        """Bring the marker up to this outbox, one process after the other.

        Raises OutboxError when it cannot be written.
        """
        if self._marker is None:
            return
        with self._engine.begin() as db:
            alone(db)
            name = sa.select(meta_table.c.value).where(meta_table.c.name == "uuid")
            marker = marks.Marker(
                str(db.execute(name).scalar()), *ledger.last(db), _withdrawn(db, self._lost())
            )
            marks.write(self._marker, marker)

    def _lost(self) -> marks.Marker | None:
        """The marker of the outbox before, where that one was lost."""
        return marks.read(marks.lost_of(self._marker)) if self._marker else None


def _withdrawn(db: sa.Connection, lost: marks.Marker | None) -> dict[str, tuple[str, ...]]:
    """The withdrawn subjects by the name of the server, those of a lost outbox among them."""
    subjects = {name: set(gone) for name, gone in (lost.withdrawn if lost else {}).items()}
    query = sa.select(server_table.c.name, tombstone_table.c.subject).join_from(
        tombstone_table, server_table
    )
    for name, subject in db.execute(query):
        subjects.setdefault(name, set()).add(subject)
    return {name: tuple(sorted(gone)) for name, gone in sorted(subjects.items())}


def now() -> str:
    """This second, in UTC."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
