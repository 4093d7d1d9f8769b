"""The servers of an outbox, its runs, and what a server taught us."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import sqlalchemy as sa

from adapter.errors import OutboxError, Where
from adapter.fhir.json import dumps
from adapter.outbox import ledger
from adapter.outbox.changes import Server
from adapter.outbox.database import Database, now
from adapter.outbox.leases import insert_for
from adapter.outbox.tables import learnt_table, run_table, server_table


class Servers(Database):
    """The part of an outbox that knows servers and runs."""

    def server_id(self, server: Server) -> int:
        """The row of a server; a new one gets a UUID. Its port may change, its place may not.

        Raises OutboxError when the name stood for another server before.
        """
        table = server_table
        with self._engine.begin() as db:
            row = db.execute(sa.select(table).where(table.c.name == server.name)).one_or_none()
            if row is None:
                values = {"name": server.name, "uuid": str(uuid.uuid4()), "url": server.url}
                key = db.execute(table.insert().values(values)).inserted_primary_key
                return int(key[0]) if key else 0
            if _place(row.url) != _place(server.url):
                raise OutboxError(
                    f"the server {server.name!r} was at {row.url}, now it is at {server.url}",
                    where=Where(file=self.where),
                    hint="another server needs another name in study.yaml; "
                    "what it already holds is found by reading, not written again",
                )
            if row.url != server.url:
                db.execute(table.update().where(table.c.id == row.id).values(url=server.url))
            return int(row.id)

    @contextmanager
    def run(self, server: int, kind: str) -> Iterator[dict[str, int]]:
        """Record a run: yields the counts to fill in; an exception is its outcome, by name."""
        counts: dict[str, int] = {}
        with self._engine.begin() as db:
            values = {"server": server, "kind": kind, "started": now()}
            key = db.execute(run_table.insert().values(values)).inserted_primary_key
            number = int(key[0]) if key else 0
            ledger.append(db, run=number, kind=kind, server=server, began=values["started"])
        outcome = "done"
        try:
            yield counts
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            with self._engine.begin() as db:
                ended = now()
                db.execute(
                    run_table.update()
                    .where(run_table.c.id == number)
                    .values(ended=ended, outcome=outcome, counts=dumps(counts).decode())
                )
                ledger.append(
                    db, run=number, kind=kind, ended=ended, outcome=outcome, counts=dict(counts)
                )

    # --- what a server taught us ---

    def learnt(self, server: int) -> dict[str, str]:
        """What the server taught us in earlier runs, by name."""
        query = sa.select(learnt_table).where(learnt_table.c.server == server)
        with self._reading() as db:
            return {row.name: row.value for row in db.execute(query)}

    def learn(self, server: int, name: str, value: str) -> None:
        """Remember something that the server taught us."""
        with self._engine.begin() as db:
            statement = insert_for(db)(learnt_table).values(server=server, name=name, value=value)
            db.execute(
                statement.on_conflict_do_update(
                    index_elements=["server", "name"], set_={"value": value}
                )
            )


def _place(url: str) -> tuple[str, str | None, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.path.rstrip("/")
