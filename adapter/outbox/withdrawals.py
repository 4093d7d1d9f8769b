"""The subjects that were withdrawn: nothing of them is sent again."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from adapter.fhir.json import dumps
from adapter.outbox import ledger
from adapter.outbox.changes import STORED, Change
from adapter.outbox.database import Database, now
from adapter.outbox.leases import insert_for
from adapter.outbox.tables import change_table, tombstone_table


class Withdrawals(Database):
    """The part of an outbox that knows who was withdrawn."""

    def withdrawn(self, server: int) -> frozenset[str]:
        """The subjects that were withdrawn from a server."""
        query = sa.select(tombstone_table.c.subject).where(tombstone_table.c.server == server)
        with self._reading() as db:
            return frozenset(db.execute(query).scalars())

    def withdraw(self, server: int, subject: str, deletions: Sequence[Change]) -> None:
        """Block a subject for ever and want its resources gone, in one transaction."""
        with self._engine.begin() as db:
            statement = insert_for(db)(tombstone_table).values(
                server=server, subject=subject, at=now(), proven=False, remains="{}"
            )
            db.execute(statement.on_conflict_do_nothing())
            ledger.append(db, withdrawn=subject, server=server, resources=len(deletions), at=now())
            for change in deletions:
                db.execute(
                    change_table.update()
                    .where(
                        change_table.c.server == server,
                        change_table.c.reference == change.reference,
                    )
                    .values(action="delete", state=change.state, stage=1, reason=None)
                )

    def entomb(self, server: int, subject: str, proven: bool, remains: dict[str, str]) -> None:
        """Write down what is left of a withdrawn subject on the server."""
        table = tombstone_table
        with self._engine.begin() as db:
            db.execute(
                table.update()
                .where(table.c.server == server, table.c.subject == subject)
                .values(proven=proven, remains=dumps(remains).decode())
            )
            ledger.append(db, withdrawn=subject, proven=proven, remains=len(remains), at=now())

    def of_subject(self, server: int, subject: str) -> list[Change]:
        """Everything of a subject, with its content."""
        table = change_table
        query = sa.select(*STORED).where(table.c.server == server, table.c.subject == subject)
        with self._reading() as db:
            return [Change(*row) for row in db.execute(query)]
