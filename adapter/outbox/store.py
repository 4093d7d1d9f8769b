"""The outbox: what must reach which server, kept safely in SQLite or PostgreSQL.

SQLite writes ahead and waits for the disk (``WAL``, ``synchronous=FULL``): what is acknowledged
here survives a power cut. The states of a change are explained in ``tables.py``.
"""

from __future__ import annotations

import datetime as dt
import heapq
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import sqlalchemy as sa

from adapter.errors import BusyError, OutboxError, Where
from adapter.fhir.access import Access
from adapter.fhir.json import dumps, loads
from adapter.fhir.order import is_last
from adapter.fhir.writing import Verdict
from adapter.outbox import ledger, refusals
from adapter.outbox.leases import Lease, Leases, insert_for
from adapter.outbox.migrations import migrate
from adapter.outbox.tables import (
    PENDING,
    SCHEMA_VERSION,
    attempt_table,
    change_table,
    learnt_table,
    ledger_table,
    meta_table,
    metadata,
    run_table,
    server_table,
    tombstone_table,
)

CHUNK = 500
# A cache of 16 MB, and 32 MB written ahead before they are moved: a push of 20,000 is 8 % faster.
PRAGMAS = ("synchronous=FULL", "foreign_keys=ON", "cache_size=-16000", "wal_autocheckpoint=8000")
PATIENCE = 30  # seconds to wait for another process that writes
RECORDS = 3  # the stage of Provenance and AuditEvent: after everything else
DAMAGED = "restore it from a backup; without it, a push reads what the server holds"

_NEW = {
    name: sa.bindparam(f"new_{name}", type_=sa.Text)
    for name in ("state", "acked_hash", "version", "reason", "place", "in_flight")
}
# Content that has changed while the one before was on its way is still to be sent.
_OVERTAKEN = sa.and_(
    _NEW["state"] == "done", change_table.c.hash != sa.bindparam("of_hash", type_=sa.Text)
)
MARKING = (
    change_table.update()
    .where(
        change_table.c.server == sa.bindparam("at"), change_table.c.reference == sa.bindparam("of")
    )
    .values(
        _NEW
        | {
            "state": sa.case((_OVERTAKEN, "new"), else_=_NEW["state"]),
            "attempts": change_table.c.attempts + sa.bindparam("tried", type_=sa.Integer),
        }
    )
)


@dataclass(frozen=True, slots=True)
class Server:
    """A FHIR server: the name it is remembered by, its base URL, and how it is reached."""

    name: str
    url: str
    access: Access = field(default_factory=Access, repr=False)


@dataclass(slots=True)
class Change:
    """A resource that a server must hold, or must hold no more (``action`` delete)."""

    reference: str
    subject: str
    content: bytes
    hash: str
    state: str = "new"
    stage: int = 1
    action: str = "put"
    acked_hash: str | None = None
    version: str | None = None
    reason: str | None = None
    source: str | None = None
    place: str | None = None
    in_flight: str = ""  # hashes of what was sent before and not acknowledged
    seen: str | None = None  # hash of what the server was last seen to hold
    targets: tuple[str, ...] = ()  # what the content refers to
    body: Any = None  # what is sent: the content, or what this server takes of it
    answer: Verdict | None = None  # why it is dead or parked, where the server said so

    @property
    def is_record(self) -> bool:
        """Whether it tells of a run instead of the study."""
        return self.reference.startswith(("Provenance/", "AuditEvent/"))

    @property
    def resource(self) -> dict[str, Any]:
        """The content as plain FHIR JSON, parsed anew each time."""
        found: dict[str, Any] = loads(self.content)
        return found


class Standing(NamedTuple):
    """How a resource stands with a server; ``hash`` is that of the content wanted last."""

    state: str
    hash: str
    acked_hash: str | None


# The columns of a Change in the order of its fields, with its content and without.
STORED = [change_table.c[each.name] for each in fields(Change) if each.name in change_table.c]
BARE = [c if c.name != "content" else sa.literal(b"").label("content") for c in STORED]


class Outbox:
    """The outbox of one study, for one key and one FHIR release."""

    def __init__(self, engine: sa.Engine, where: str, clock: Callable[[], float] | None = None):
        self._engine = engine
        self.where = where
        self.leases = Leases(engine, clock)

    @classmethod
    def open(
        cls,
        at: Path | str,
        *,
        study: str,
        release: str,
        key_fingerprint: str,
        clock: Callable[[], float] | None = None,
    ) -> Outbox:
        """Open or make the outbox: a file (SQLite) or the URL of a PostgreSQL database.

        ``clock`` replaces the clock of the leases. Raises OutboxError when it is no outbox, is
        damaged, of a newer version, or of another study, release or key.
        """
        where = str(at) if isinstance(at, Path) else _without_password(at)
        engine = _sqlite(at) if isinstance(at, Path) else _postgresql(at)
        outbox = cls(engine, where, clock)
        try:
            _whole(engine, where)
            migrate(engine, at if isinstance(at, Path) else None)
            metadata.create_all(engine)
            outbox._same({"schema": SCHEMA_VERSION, "study": study, "fhir": release,
                          "key": key_fingerprint})  # fmt: skip
        except sa.exc.DBAPIError as error:
            engine.dispose()
            raise _unusable(error, where) from None
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

    def worker(self, number: int) -> Outbox:
        """The same outbox for one of several workers of this process."""
        if number == 0:
            return self
        other = Outbox(self._engine, self.where)
        other.leases = self.leases.of_worker(number)
        return other

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._engine.connect().execution_options(reading=True) as db:
            yield db

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
                    where=Where(file=self.where),
                    hint="bring back what changed, or start a new outbox beside the old one",
                )

    # --- servers and runs ---

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
            values = {"server": server, "kind": kind, "started": _now()}
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
                ended = _now()
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

    # --- changes ---

    def known(self, server: int, references: Collection[str] | None = None) -> dict[str, Change]:
        """What the outbox holds for a server, by reference, without content; all or some."""
        table = change_table
        query = sa.select(*BARE).where(table.c.server == server)
        found = {}
        with self._reading() as db:
            for part in _parts(references):
                some = query if part is None else query.where(table.c.reference.in_(part))
                for row in db.execute(some):
                    found[row.reference] = Change(*row)
        return found

    def standing(self, server: int, references: Collection[str]) -> dict[str, Standing]:
        """How these resources stand, those that the outbox knows, by reference."""
        table = change_table
        query = sa.select(table.c.reference, table.c.state, table.c.hash, table.c.acked_hash).where(
            table.c.server == server
        )
        found: dict[str, Standing] = {}
        with self._reading() as db:
            for part in _parts(references):
                rows = db.execute(query.where(table.c.reference.in_(part or [])))
                found.update((row[0], Standing(row[1], row[2], row[3])) for row in rows)
        return found

    def accepted(self, server: Server) -> set[str]:
        """The hashes of all content that a server has acknowledged."""
        row, table = self.server_id(server), change_table
        query = sa.select(table.c.acked_hash).where(
            table.c.server == row, table.c.acked_hash.is_not(None)
        )
        with self._reading() as db:
            return set(db.execute(query).scalars())

    def acknowledged(self, server: int) -> Iterator[Change]:
        """All that the server has acknowledged or is to get, without content, page by page."""
        table = change_table
        held = sa.or_(table.c.acked_hash.is_not(None), table.c.state.in_(PENDING))
        query = sa.select(*BARE).where(table.c.server == server, held)
        with self._engine.connect().execution_options(reading=True, yield_per=10_000) as db:
            for row in db.execute(query):
                yield Change(*row)

    def places(self, server: int) -> dict[str, str]:
        """``Type/id`` on the server of what it gave an id of its own, by our reference."""
        table = change_table
        query = sa.select(table.c.reference, table.c.place).where(
            table.c.server == server, table.c.place.is_not(None)
        )
        with self._reading() as db:
            return {row.reference: row.place for row in db.execute(query)}

    def enqueue(self, server: int, changes: Iterable[Change]) -> None:
        """Want this content on the server: all of it or nothing.

        What was acknowledged stays known. A withdrawn subject's changes are left out.
        """
        gone = self.withdrawn(server)
        rows = [
            _row(server, change)
            for change in changes
            if change.subject not in gone or change.action == "delete"
        ]
        if not rows:
            return
        # what is worked on together lies together: fewer pages to write
        rows.sort(key=lambda row: (row["stage"], row["subject"], row["reference"]))
        kept = ("subject", "stage", "action", "content", "hash", "state", "reason", "source")
        with self._engine.begin() as db:
            statement = insert_for(db)(change_table)
            new = {name: statement.excluded[name] for name in kept}
            upsert = statement.on_conflict_do_update(
                index_elements=["server", "reference"], set_=new
            )
            for start in range(0, len(rows), CHUNK):
                db.execute(upsert, rows[start : start + CHUNK])

    def claim(self, server: int, entries: int) -> list[tuple[Lease, list[Change]]]:
        """Subjects with something to send, leased to this process, each with all its changes.

        They are of the earliest stage that is not done yet; as many as hold about so many changes,
        at least one. Empty when there is nothing that could be had now.
        """
        taken = self.leases.taken(server)
        chosen: dict[str, int] = {}
        with self._reading() as db:
            stage = _earliest(db, server)
            if stage is None:
                return []
            for subject, count in _waiting(db, server, stage):
                if subject in taken:
                    continue
                if chosen and sum(chosen.values()) + count > entries:
                    break
                chosen[subject] = chosen.get(subject, 0) + count
        leases = self.leases.claim(server, list(chosen))
        found = self._pending(server, [lease.subject for lease in leases], stage)
        idle = [lease for lease in leases if lease.subject not in found]
        self.leases.release(idle)  # another process was faster
        return [(lease, found[lease.subject]) for lease in leases if lease.subject in found]

    def _pending(self, server: int, subjects: list[str], stage: int) -> dict[str, list[Change]]:
        """What is left to send of these subjects in a stage, by subject."""
        table = change_table
        query = sa.select(*STORED).where(
            table.c.server == server, table.c.stage == stage, table.c.state.in_(PENDING)
        )
        found: dict[str, list[Change]] = {}
        with self._reading() as db:
            for part in _parts(subjects):
                for row in db.execute(query.where(table.c.subject.in_(part or []))):
                    found.setdefault(row.subject, []).append(Change(*row))
        for changes in found.values():  # in SQL, this order would walk the whole table by its key
            changes.sort(key=lambda change: change.reference)
        return found

    def pending_count(self, server: int) -> int:
        """How many changes are left to send."""
        return sum(self.count(server, state) for state in PENDING)

    def is_pending(self, server: int) -> bool:
        """Whether anything is left to send, by whomever."""
        table = change_table
        query = sa.select(table.c.reference).where(
            table.c.server == server, table.c.state.in_(PENDING)
        )
        with self._reading() as db:
            return db.execute(query.limit(1)).first() is not None

    def mark(
        self,
        server: int,
        changes: Sequence[Change],
        leases: Sequence[Lease] = (),
        attempt: dict[str, Any] | None = None,
        records: Sequence[Change] = (),
        said: dict[str, Any] | None = None,
    ) -> None:
        """Write down the state of these changes, durably, before anything else happens.

        ``records`` of what was acknowledged are wanted from the same moment on; ``said`` is a line
        of the ledger, where a person decided it.

        Raises LeaseLostError, and writes nothing, when a lease is not ours any more.
        """
        if not changes:
            return
        table = change_table
        gone = [change.reference for change in changes if change.state == "withdrawn"]
        with self._engine.begin() as db:
            self.leases.holds(db, leases)
            tried = int(attempt is not None)
            db.execute(MARKING, [_marked(server, change, tried) for change in changes])
            refusals.keep(db, server, changes)
            for part in _parts(gone):
                here = sa.and_(table.c.server == server, table.c.reference.in_(part or []))
                db.execute(table.update().where(here).values(content=b""))
            if records:
                new = insert_for(db)(table).on_conflict_do_nothing()
                db.execute(new, [_row(server, record) for record in records])
            if attempt:
                db.execute(attempt_table.insert().values(server=server, at=_now(), **attempt))
            if said:
                ledger.append(db, server=server, at=_now(), **said)

    def mark_sent(self, changes: Sequence[Change], leases: Sequence[Lease]) -> None:
        """Write down that these are on their way: from now on, we look before we send again.

        Raises LeaseLostError, and writes nothing, when a lease is not ours any more.
        """
        sending: dict[str, list[str]] = {}
        for change in changes:
            sending.setdefault(change.subject, []).append(f"{change.reference} {change.hash}")
        with self._engine.begin() as db:
            self.leases.holds(db, leases, sending)

    def contents(
        self, server: int, references: Collection[str] | None = None
    ) -> dict[str, dict[str, Any]]:
        """The content that the server has acknowledged and that is still wanted, by reference."""
        return dict(self.held(server, references))

    def held(
        self, server: int, references: Collection[str] | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """(reference, content) of what is done, page by page in the order of references."""
        table = change_table
        query = (
            sa.select(table.c.reference, table.c.content)
            .where(table.c.server == server, table.c.state == "done")
            .order_by(table.c.reference)
        )
        with self._engine.connect().execution_options(reading=True, yield_per=1_000) as db:
            for part in _parts(references):
                some = query if part is None else query.where(table.c.reference.in_(part))
                for row in db.execute(some):
                    yield row.reference, loads(row.content)

    def count(self, server: int, state: str) -> int:
        """How many changes are in a state."""
        table = change_table
        query = sa.select(sa.func.count()).where(table.c.server == server, table.c.state == state)
        with self._reading() as db:
            return int(db.execute(query).scalar_one())

    def requeue(self, server: int, references: Collection[str], gone: Collection[str]) -> int:
        """Want acknowledged resources again; of those that are gone nothing is acknowledged."""
        table = change_table
        with self._engine.begin() as db:
            for part in _parts(references):
                here = sa.and_(table.c.server == server, table.c.reference.in_(part or []))
                db.execute(table.update().where(here).values(state="new"))
            for part in _parts(gone):
                here = sa.and_(table.c.server == server, table.c.reference.in_(part or []))
                db.execute(table.update().where(here).values(acked_hash=None, version=None))
        return len(references)

    # --- withdrawn subjects ---

    def withdrawn(self, server: int) -> frozenset[str]:
        """The subjects that were withdrawn from a server."""
        query = sa.select(tombstone_table.c.subject).where(tombstone_table.c.server == server)
        with self._reading() as db:
            return frozenset(db.execute(query).scalars())

    def withdraw(self, server: int, subject: str, deletions: Sequence[Change]) -> None:
        """Block a subject for ever and want its resources gone, in one transaction."""
        with self._engine.begin() as db:
            statement = insert_for(db)(tombstone_table).values(
                server=server, subject=subject, at=_now(), proven=False, remains="{}"
            )
            db.execute(statement.on_conflict_do_nothing())
            ledger.append(db, withdrawn=subject, server=server, resources=len(deletions), at=_now())
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
            ledger.append(db, withdrawn=subject, proven=proven, remains=len(remains), at=_now())

    def of_subject(self, server: int, subject: str) -> list[Change]:
        """Everything of a subject, with its content."""
        table = change_table
        query = sa.select(*STORED).where(table.c.server == server, table.c.subject == subject)
        with self._reading() as db:
            return [Change(*row) for row in db.execute(query)]

    # --- what people look at ---

    def dead(self, server: int) -> list[Change]:
        """The dead letters and what is parked, with their content."""
        table = change_table
        query = (
            sa.select(*STORED)
            .where(table.c.server == server, table.c.state.in_(("dead", "parked")))
            .order_by(table.c.reference)
        )
        with self._reading() as db:
            return [Change(*row) for row in db.execute(query)]

    def refused(self, server: int, references: Collection[str]) -> dict[str, refusals.Refused]:
        """What the server answered to these, by reference, where it is why they are refused."""
        with self._reading() as db:
            return refusals.read(db, server, references)

    def drop(self, server: int, reference: str, reason: str) -> None:
        """Forget that a resource is wanted; what the server acknowledged before stays known."""
        table = change_table
        here = sa.and_(table.c.server == server, table.c.reference == reference)
        with self._engine.begin() as db:
            db.execute(table.update().where(here).values(state="dropped", reason=reason))
            refusals.forget(db, server, [reference])
            ledger.append(db, dropped=reference, server=server, at=_now())

    def status(self) -> dict[str, Any]:
        """Counts by server, type and state, and the last ten runs."""
        table = change_table
        counted = sa.select(table.c.server, table.c.reference, table.c.state)
        servers, runs = [], []
        with self._reading() as db:
            counts: dict[int, dict[str, dict[str, int]]] = {}
            for number, reference, state in db.execute(counted):
                kind = reference.partition("/")[0]
                by_state = counts.setdefault(number, {}).setdefault(kind, {})
                by_state[state] = by_state.get(state, 0) + 1
            for server in db.execute(sa.select(server_table)):
                resources = dict(sorted(counts.get(server.id, {}).items()))
                servers.append({"name": server.name, "uuid": server.uuid, "url": server.url,
                                "resources": resources})  # fmt: skip
            latest = sa.select(run_table).order_by(run_table.c.id.desc()).limit(10)
            for run in db.execute(latest):
                runs.append({"id": run.id, "kind": run.kind, "started": run.started,
                             "ended": run.ended, "outcome": run.outcome,
                             "counts": loads(run.counts) if run.counts else {}})  # fmt: skip
            broken = ledger.first_broken(db)
            lines = db.execute(sa.select(sa.func.count()).select_from(ledger_table)).scalar_one()
        return {"servers": servers, "runs": runs, "ledger": {"lines": lines, "broken": broken}}


def _row(server: int, change: Change) -> dict[str, Any]:
    return {
        "server": server, "reference": change.reference, "subject": change.subject,
        "stage": change.stage, "action": change.action, "content": change.content,
        "hash": change.hash, "state": change.state, "attempts": 0,
        "acked_hash": change.acked_hash, "version": change.version, "reason": change.reason,
        "source": change.source, "place": change.place,
    }  # fmt: skip


def _marked(server: int, change: Change, tried: int) -> dict[str, Any]:
    flying = "" if change.state in ("done", "withdrawn") else change.in_flight
    return {
        "at": server, "of": change.reference, "new_state": change.state,
        "new_acked_hash": change.acked_hash, "new_version": change.version,
        "new_reason": change.reason, "new_place": change.place, "new_in_flight": flying,
        "of_hash": change.hash, "tried": tried,
    }  # fmt: skip


def _earliest(db: sa.Connection, server: int) -> int | None:
    """The earliest stage with something left to send."""
    table = change_table
    stages = [
        db.execute(
            sa.select(sa.func.min(table.c.stage)).where(
                table.c.server == server, table.c.state == state
            )
        ).scalar()
        for state in PENDING
    ]
    return min((stage for stage in stages if stage is not None), default=None)


def _waiting(db: sa.Connection, server: int, stage: int) -> Iterator[tuple[str, int]]:
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


def stage_of(resource: dict[str, Any], subject: str) -> int:
    """When a resource is written: the study (0), its subjects (1), then what lists them (2).

    Records of the run (3) follow: see ``records.py``.
    """
    if subject:
        return 1
    return 2 if is_last(resource) else 0


def _parts(references: Collection[str] | None) -> Iterator[list[str] | None]:
    if references is None:
        yield None
        return
    names = sorted(references)
    for start in range(0, len(names), CHUNK):
        yield names[start : start + CHUNK]


def _place(url: str) -> tuple[str, str | None, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.path.rstrip("/")


def _without_password(url: str) -> str:
    return sa.make_url(url).render_as_string(hide_password=True)


def _sqlite(path: Path) -> sa.Engine:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": PATIENCE})
    sa.event.listen(engine, "connect", _pragmas)
    sa.event.listen(engine, "begin", _begin)
    sa.event.listen(engine, "handle_error", _translated)
    return engine


def _postgresql(url: str) -> sa.Engine:
    try:
        return sa.create_engine(url)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError):
        raise OutboxError(
            "this is no outbox database",
            hint="outbox: is a file, or postgresql+psycopg://user@host/database "
            "(install study-fhir-adapter[postgresql])",
        ) from None


def _pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say so, see _begin
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    _write_ahead(cursor)
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """A new file is made one that writes ahead; SQLite does not wait for others who do the same."""
    end = time.monotonic() + PATIENCE
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _begin(db: sa.Connection) -> None:
    """A writer takes its place at once: one that read first could find the door shut."""
    reading = db.get_execution_options().get("reading")
    db.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _whole(engine: sa.Engine, where: str) -> None:
    """Raises OutboxError for a file that is shorter than it says; SQLite itself finds the rest."""
    if engine.dialect.name != "sqlite":
        return
    with engine.connect().execution_options(reading=True) as db:
        pages = db.exec_driver_sql("PRAGMA page_count").scalar_one()
        size = db.exec_driver_sql("PRAGMA page_size").scalar_one()
        db.exec_driver_sql("SELECT count(*) FROM sqlite_master")
    held = Path(where).stat().st_size
    if held and held < pages * size and not Path(f"{where}-wal").exists():
        raise OutboxError("the outbox is damaged", where=Where(file=where), hint=DAMAGED)


def _translated(context: sa.engine.ExceptionContext) -> None:
    """What the database cannot do, as an error of ours: wherever it happens, it ends the run."""
    error = context.original_exception
    where = Where(file=context.engine.url.database if context.engine else None)
    text = str(error).lower()
    kind = type(error).__name__
    if "locked" in text or "busy" in text or kind == "LockNotAvailable":
        raise BusyError(
            "the outbox is held by another process",
            where=where,
            hint="nothing is lost: wait for it to end, then do the same again",
        ) from None
    if "full" in text or "disk i/o" in text or "readonly" in text or "unable to open" in text:
        raise OutboxError(
            f"the outbox cannot be written ({kind})",
            where=where,
            hint="is there room on the disk, and may this user write the file and its folder?",
        ) from None
    if kind == "DatabaseError" or "malformed" in text:
        raise OutboxError("the outbox is damaged", where=where, hint=DAMAGED) from None


def _unusable(error: sa.exc.DBAPIError, where: str) -> OutboxError:
    return OutboxError(
        f"the outbox cannot be used: {type(error.orig).__name__}",
        where=Where(file=where),
        hint=DAMAGED,
    )


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
