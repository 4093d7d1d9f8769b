"""The servers of an outbox, its runs, and what a server taught us."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import sqlalchemy as sa

from adapter.errors import OutboxError, Where
from adapter.fhir.json import dumps
from adapter.outbox import ledger
from adapter.outbox.changes import Server
from adapter.outbox.database import Database, now
from adapter.outbox.leases import insert_for
from adapter.outbox.tables import change_table, learnt_table, run_table, server_table
from adapter.outbox.withdrawals import bury_lost


class Servers(Database):
    """The part of an outbox that knows servers and runs."""

    def server_id(self, server: Server) -> int:
        """The row of a server; a new one gets a UUID. Its port may change, its place may not.

        A server that is known by its URL keeps what is known of it under another name.

        Raises OutboxError when the name stood for another server before.
        """
        table = server_table
        with self._engine.begin() as db:
            row = db.execute(sa.select(table).where(table.c.name == server.name)).one_or_none()
            if row is None and (old := _under_another_name(db, server)):
                db.execute(table.update().where(table.c.id == old).values(name=server.name))
                ledger.append(db, server=old, renamed=server.name, at=now())
                return old
            if row is None:
                values = {"name": server.name, "uuid": str(uuid.uuid4()), "url": server.url}
                key = db.execute(table.insert().values(values)).inserted_primary_key
                if lost := self._lost():
                    bury_lost(db, lost)
                return int(key[0]) if key else 0
            if _place(row.url) != _place(server.url) and _was_mistaken(db, row.id):
                db.execute(table.update().where(table.c.id == row.id).values(url=server.url))
                db.execute(learnt_table.delete().where(learnt_table.c.server == row.id))
            elif _place(row.url) != _place(server.url):
                raise OutboxError(
                    f"the server {server.name!r} was at {row.url}, now it is at {server.url}",
                    where=Where(file=self.where),
                    hint="another server needs another name in study.yaml; "
                    "what it already holds is found by reading, not written again",
                )
            return int(row.id)

    def moved_from(self, row: int, server: Server) -> str | None:
        """Where a server was that is at another port now and was not recognised there yet."""
        with self._reading() as db:
            query = sa.select(server_table.c.url).where(server_table.c.id == row)
            before = str(db.execute(query).scalar_one())
        is_moved = urlsplit(before).port != urlsplit(server.url).port
        return before if is_moved else None

    def move(self, row: int, server: Server) -> None:
        """From now on, the server is where it was recognised."""
        with self._engine.begin() as db:
            here = server_table.c.id == row
            db.execute(server_table.update().where(here).values(url=server.url))
            ledger.append(db, server=row, moved=server.url, at=now())

    @contextmanager
    def run(self, server: int, kind: str) -> Iterator[dict[str, int]]:
        """Record a run: yields the counts to fill in; an exception is its outcome, by name."""
        counts: dict[str, int] = {}
        with self._engine.begin() as db:
            values = {"server": server, "kind": kind, "started": now()}
            key = db.execute(run_table.insert().values(values)).inserted_primary_key
            number = int(key[0]) if key else 0
            ledger.append(db, run=number, kind=kind, server=server, began=values["started"])
        self._note()
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
            with suppress(OutboxError):  # what it said when the run began is true as well
                self._note()

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


def _under_another_name(db: sa.Connection, server: Server) -> int | None:
    """The row of the server at exactly this URL: who was withdrawn there stays withdrawn."""
    for row in db.execute(sa.select(server_table.c.id, server_table.c.url)):
        if row.url.rstrip("/") == server.url.rstrip("/"):
            return int(row.id)
    return None


def _was_mistaken(db: sa.Connection, server: int) -> bool:
    """Whether nothing was ever acknowledged, nor may be under way: then its address was wrong."""
    table = change_table
    told = sa.or_(table.c.acked_hash.is_not(None), table.c.in_flight != "")
    query = sa.select(table.c.reference).where(table.c.server == server, told).limit(1)
    return db.execute(query).first() is None


def _place(url: str) -> tuple[str, str | None, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.path.rstrip("/")
