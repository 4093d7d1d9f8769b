"""What is decided about changes that the outbox holds: wanted again, looked at again, given up."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from adapter.outbox import ledger, refusals
from adapter.outbox.changes import parts
from adapter.outbox.database import Database, now
from adapter.outbox.tables import REFUSED, change_table


class Decisions(Database):
    """The part of an outbox that thinks again."""

    def requeue(self, server: int, references: Collection[str], gone: Collection[str]) -> int:
        """Want acknowledged resources again; of those that are gone nothing is acknowledged."""
        with self._engine.begin() as db:
            _set(db, server, references, state="new")
            _set(db, server, gone, acked_hash=None, version=None)
        return len(references)

    def look_again(self, server: int) -> None:
        """Look at what was acknowledged while other content of ours could still arrive."""
        table = change_table
        doubtful = sa.and_(
            table.c.server == server, table.c.state == "done", table.c.in_flight != ""
        )
        with self._engine.begin() as db:
            db.execute(table.update().where(doubtful).values(state="unknown"))

    def reopen_deletions(self, server: int) -> None:
        """Try again to delete what the server refused to."""
        table = change_table
        refused = sa.and_(
            table.c.server == server, table.c.state.in_(REFUSED), table.c.action == "delete"
        )
        with self._engine.begin() as db:
            db.execute(table.update().where(refused).values(state="new", reason=None))

    def recall(self, server: int, references: Collection[str], reason: str) -> None:
        """Send these no more; without a hash, any content of theirs is a new one."""
        with self._engine.begin() as db:
            _set(db, server, references, state="dropped", hash="", reason=reason)

    def drop(self, server: int, reference: str, reason: str) -> None:
        """Forget that a resource is wanted; what the server acknowledged before stays known."""
        with self._engine.begin() as db:
            _set(db, server, [reference], state="dropped", reason=reason)
            refusals.forget(db, server, [reference])
            ledger.append(db, dropped=reference, server=server, at=now())


def _set(db: sa.Connection, server: int, references: Collection[str], **values: str | None) -> None:
    table = change_table
    for part in parts(references):
        here = sa.and_(table.c.server == server, table.c.reference.in_(part or []))
        db.execute(table.update().where(here).values(**values))
