"""The outbox: what must reach which server, kept safely in one SQLite file.

A row of ``change`` is a resource on a server: the content wanted there, and what the server
acknowledged. Its state is one that a person can look at:

    new      wanted, not sent yet
    sent     on its way: whatever happens next, we look before we send again
    unknown  the answer proved nothing: look first
    done     acknowledged; the server holds this content
    dead     refused; ``reason`` says why
"""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa

from adapter.errors import OutboxError, Where
from adapter.fhir.json import dumps, loads

SCHEMA_VERSION = "1"
metadata = sa.MetaData()

meta_table = sa.Table(
    "meta",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
server_table = sa.Table(
    "server",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("uuid", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
)
change_table = sa.Table(
    "change",
    metadata,
    sa.Column("server", sa.Integer, sa.ForeignKey("server.id"), primary_key=True),
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("acked_hash", sa.Text),
    sa.Column("version", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Index("change_state", "server", "state"),
)
run_table = sa.Table(
    "run",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("server", sa.Integer, sa.ForeignKey("server.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("started", sa.Text, nullable=False),
    sa.Column("ended", sa.Text),
    sa.Column("outcome", sa.Text),
    sa.Column("counts", sa.Text),
)


@dataclass(frozen=True, slots=True)
class Server:
    """A FHIR server: the name it is remembered by, its base URL, and the secrets to reach it."""

    name: str
    url: str
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


@dataclass(slots=True)
class Change:
    """A resource that a server must hold."""

    reference: str
    subject: str
    content: bytes
    hash: str
    state: str = "new"
    acked_hash: str | None = None
    version: str | None = None
    reason: str | None = None
    targets: tuple[str, ...] = ()
    resource: dict[str, Any] = field(default_factory=dict)


class Outbox:
    """The outbox of one study, for one key and one FHIR release."""

    def __init__(self, engine: sa.Engine, path: Path):
        self._engine = engine
        self.path = path

    @classmethod
    def open(cls, path: Path, *, study: str, release: str, key_fingerprint: str) -> Outbox:
        """Open or make the outbox.

        Raises OutboxError when the file is no outbox, or one of another study, release or key.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})
        sa.event.listen(engine, "connect", _pragmas)
        outbox = cls(engine, path)
        try:
            metadata.create_all(engine)
            outbox._same({"schema": SCHEMA_VERSION, "study": study, "fhir": release,
                          "key": key_fingerprint})  # fmt: skip
        except sa.exc.DatabaseError as error:
            engine.dispose()
            raise OutboxError(
                f"the outbox cannot be used: {type(error.orig).__name__}",
                where=Where(file=str(path)),
                hint="restore it from a backup; without it, a push reads what the server holds",
            ) from None
        except OutboxError:
            engine.dispose()
            raise
        return outbox

    def __enter__(self) -> Outbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:  # fmt: skip
        self._engine.dispose()

    def _same(self, wanted: dict[str, str]) -> None:
        with self._engine.begin() as db:
            known = {row.name: row.value for row in db.execute(sa.select(meta_table))}
            if not known:
                db.execute(
                    meta_table.insert(), [{"name": n, "value": v} for n, v in wanted.items()]
                )
                return
        for name, value in wanted.items():
            if known.get(name) != value:
                shown = "" if name == "key" else f": it says {known.get(name)}, now {value}"
                raise OutboxError(
                    f"the outbox was made with another {name}{shown}",
                    where=Where(file=str(self.path)),
                    hint="bring back what changed, or start a new outbox beside the old one",
                )

    # --- servers and runs ---

    def server_id(self, server: Server) -> int:
        """The row of a server; a new one gets a UUID, a moved one keeps it."""
        table = server_table
        with self._engine.begin() as db:
            row = db.execute(sa.select(table.c.id).where(table.c.name == server.name)).scalar()
            if row is not None:
                db.execute(table.update().where(table.c.id == row).values(url=server.url))
                return int(row)
            values = {"name": server.name, "uuid": str(uuid.uuid4()), "url": server.url}
            key = db.execute(table.insert().values(values)).inserted_primary_key
            return int(key[0]) if key else 0

    @contextmanager
    def run(self, server: int, kind: str) -> Iterator[dict[str, int]]:
        """Record a run: yields the counts to fill in; an exception is its outcome, by name."""
        counts: dict[str, int] = {}
        with self._engine.begin() as db:
            values = {"server": server, "kind": kind, "started": _now()}
            key = db.execute(run_table.insert().values(values)).inserted_primary_key
        outcome = "done"
        try:
            yield counts
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            with self._engine.begin() as db:
                db.execute(
                    run_table.update()
                    .where(run_table.c.id == (key[0] if key else 0))
                    .values(ended=_now(), outcome=outcome, counts=dumps(counts).decode())
                )

    # --- changes ---

    def known(self, server: int) -> dict[str, Change]:
        """Everything the outbox holds for a server, by reference, without content."""
        columns = [c for c in change_table.c if c.name not in ("content", "server", "attempts")]
        query = sa.select(*columns).where(change_table.c.server == server)
        with self._engine.connect() as db:
            return {row.reference: Change(content=b"", **row._mapping) for row in db.execute(query)}

    def enqueue(self, server: int, changes: Iterable[Change]) -> None:
        """Want this content on the server: all of it or nothing."""
        rows = [
            {"server": server, "reference": c.reference, "subject": c.subject,
             "content": c.content, "hash": c.hash, "state": c.state, "attempts": 0,
             "acked_hash": c.acked_hash, "version": c.version, "reason": None}
            for c in changes
        ]  # fmt: skip
        if not rows:
            return
        table = change_table
        with self._engine.begin() as db:
            for start in range(0, len(rows), 500):
                chunk = rows[start : start + 500]
                db.execute(
                    table.delete().where(
                        table.c.server == server,
                        table.c.reference.in_([row["reference"] for row in chunk]),
                    )
                )
                db.execute(table.insert(), chunk)

    def pending(self, server: int) -> list[Change]:
        """What is not acknowledged, with its content."""
        columns = [c for c in change_table.c if c.name not in ("server", "attempts")]
        query = (
            sa.select(*columns)
            .where(change_table.c.server == server, change_table.c.state != "done")
            .order_by(change_table.c.reference)
        )
        with self._engine.connect() as db:
            return [Change(**row._mapping) for row in db.execute(query)]

    def mark(self, server: int, changes: Sequence[Change]) -> None:
        """Write down the state of these changes, durably, before anything else happens."""
        if not changes:
            return
        table = change_table
        statement = (
            table.update()
            .where(table.c.server == server, table.c.reference == sa.bindparam("r"))
            .values(
                state=sa.bindparam("s"),
                acked_hash=sa.bindparam("a"),
                version=sa.bindparam("v"),
                reason=sa.bindparam("w"),
                attempts=table.c.attempts + sa.bindparam("n"),
            )
        )
        with self._engine.begin() as db:
            db.execute(
                statement,
                [
                    {"r": c.reference, "s": c.state, "a": c.acked_hash, "v": c.version,
                     "w": c.reason, "n": int(c.state == "sent")}
                    for c in changes
                ],
            )  # fmt: skip

    def contents(
        self, server: int, references: Collection[str] | None = None
    ) -> dict[str, dict[str, Any]]:
        """The content that the server has acknowledged and that is still wanted, by reference."""
        table = change_table
        query = sa.select(table.c.reference, table.c.content).where(
            table.c.server == server, table.c.state == "done"
        )
        with self._engine.connect() as db:
            return {
                row.reference: loads(row.content)
                for row in db.execute(query)
                if references is None or row.reference in references
            }

    def status(self) -> dict[str, Any]:
        """Counts by server, type and state, and the last ten runs."""
        servers, runs = [], []
        with self._engine.connect() as db:
            for server in db.execute(sa.select(server_table)):
                query = sa.select(change_table.c.reference, change_table.c.state).where(
                    change_table.c.server == server.id
                )
                counts: dict[str, dict[str, int]] = {}
                for reference, state in db.execute(query):
                    by_state = counts.setdefault(reference.partition("/")[0], {})
                    by_state[state] = by_state.get(state, 0) + 1
                servers.append({"name": server.name, "uuid": server.uuid, "url": server.url,
                                "resources": dict(sorted(counts.items()))})  # fmt: skip
            latest = sa.select(run_table).order_by(run_table.c.id.desc()).limit(10)
            for run in db.execute(latest):
                runs.append({"id": run.id, "kind": run.kind, "started": run.started,
                             "ended": run.ended, "outcome": run.outcome,
                             "counts": loads(run.counts) if run.counts else {}})  # fmt: skip
        return {"servers": servers, "runs": runs}


def _pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
