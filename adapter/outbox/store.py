"""The outbox: what must reach which server, kept safely in SQLite or PostgreSQL.

SQLite writes ahead and waits for the disk (``WAL``, ``synchronous=FULL``): what is acknowledged
here survives a power cut. The states of a change are explained in ``tables.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa

from adapter.fhir.json import loads
from adapter.outbox import ledger, refusals
from adapter.outbox.bulk import execute_many
from adapter.outbox.changes import (
    BARE,
    CHUNK,
    MARKING,
    STORED,
    Change,
    Server,
    Standing,
    marked,
    parts,
    row_of,
)
from adapter.outbox.database import now
from adapter.outbox.decisions import Decisions
from adapter.outbox.engine import unusable, without_password
from adapter.outbox.leases import Lease, Leases, insert_for
from adapter.outbox.looks import Looks
from adapter.outbox.marker import marker_of
from adapter.outbox.opening import opened
from adapter.outbox.servers import Servers
from adapter.outbox.tables import (
    PENDING,
    Stage,
    attempt_table,
    change_table,
)
from adapter.outbox.waiting import earliest, waiting
from adapter.outbox.withdrawals import (
    BURIED,
    Withdrawals,
    barred,
    turn_back,
    withdrawn_meanwhile,
)


class Outbox(Servers, Withdrawals, Decisions, Looks):
    """The outbox of one study, for one key and one FHIR release."""

    def __init__(
        self,
        engine: sa.Engine,
        where: str,
        clock: Callable[[], float] | None = None,
        marker: Path | None = None,
    ):
        super().__init__(engine, where, marker)
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
        marker: Path | None = None,
    ) -> Outbox:
        """Open or make the outbox: a file (SQLite) or the URL of a PostgreSQL database.

        ``clock`` replaces the clock of the leases. ``marker`` is the file by which a lost outbox is
        noticed: beside an outbox file if not given, else there is none. Raises OutboxError when it
        is no outbox, is damaged, of a newer version, of another study, release or key, or not the
        one of the marker; UnavailableError when PostgreSQL is away.
        """
        where = str(at) if isinstance(at, Path) else without_password(at)
        if marker is None and isinstance(at, Path):
            marker = marker_of(at)
        wanted = {"study": study, "fhir": release, "key": key_fingerprint}
        try:
            outbox = cls(opened(at, where, wanted, marker), where, clock, marker)
            outbox.inherit()
        except sa.exc.DBAPIError as error:
            raise unusable(error, where) from None
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
        other = Outbox(self._engine, self.where, marker=self._marker)
        other.leases = self.leases.of_worker(number)
        return other

    # --- changes ---

    def known(self, server: int, references: Collection[str] | None = None) -> dict[str, Change]:
        """What the outbox holds for a server, by reference, without content; all or some."""
        table = change_table
        query = sa.select(*BARE).where(table.c.server == server)
        found = {}
        with self._reading() as db:
            for part in parts(references):
                some = query if part is None else query.where(table.c.reference.in_(part))
                for row in db.execute(some).all():
                    found[row[0]] = Change(*row)
        return found

    def standing(
        self, server: int, references: Collection[str] | None = None
    ) -> dict[str, Standing]:
        """How resources stand, all or some of those that the outbox knows, by reference."""
        found: dict[str, Standing] = {}
        with self._reading() as db:
            for part in parts(references):
                some = STANDING if part is None else STANDING.where(AMONG)
                rows = db.execute(some, {"at": server, "of": part}).all()
                found.update((row[0], Standing(*row[1:])) for row in rows)
        return found

    def accepted(self, server: Server) -> set[str]:
        """The hashes of all content that a server has acknowledged."""
        row, table = self.server_id(server), change_table
        query = sa.select(table.c.acked_hash).where(
            table.c.server == row, table.c.acked_hash.is_not(None)
        )
        with self._reading() as db:
            return set(db.execute(query).scalars())

    def held_or_wanted(self, server: int) -> Iterator[Change]:
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
        every = list(changes)
        if not every:
            return
        # what is worked on together lies together: fewer pages to write
        every.sort(key=attrgetter("stage", "subject", "reference"))
        with self._engine.begin() as db:
            upsert = _wanting(insert_for(db))
            gone = set(db.execute(BURIED, {"at": server}).scalars())
            rows = [
                row_of(server, change)
                for change in every
                if change.subject not in gone or change.action == "delete"
            ]
            for start in range(0, len(rows), CHUNK):
                execute_many(db, upsert, rows[start : start + CHUNK])

    def claim(
        self, server: int, entries: int, before: Stage | None = None
    ) -> list[tuple[Lease, list[Change]]]:
        """Subjects with something to send, leased to this process, each with all its changes.

        They are of the earliest stage (``before`` another) that is not done yet; as many as hold
        about so many changes, at least one. Empty when there is nothing that could be had now.
        """
        taken = self.leases.taken(server)
        chosen: dict[str, int] = {}
        with self._reading() as db:
            stage = earliest(db, server, before)
            if stage is None:
                return []
            for subject, count in waiting(db, server, stage):
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
            for part in parts(subjects):
                for row in db.execute(query.where(table.c.subject.in_(part or []))).all():
                    found.setdefault(row.subject, []).append(Change(*row))
        for changes in found.values():  # in SQL, this order would walk the whole table by its key
            changes.sort(key=lambda change: change.reference)
        return found

    def pending_count(self, server: int) -> int:
        """How many changes are left to send."""
        return sum(self.count(server, state) for state in PENDING)

    def is_pending(self, server: int, before: Stage | None = None) -> bool:
        """Whether anything is left to send, by whomever; in stages ``before`` one, if given."""
        with self._reading() as db:
            return earliest(db, server, before) is not None

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

        Raises LeaseLostError when a lease is not ours any more, and writes nothing; when a subject
        was withdrawn since, nothing of that subject: what is on its way is looked at.
        """
        if not changes:
            return
        with self._engine.begin() as db:
            gone = barred(db, server, changes) if leases else frozenset()
            if gone:
                turn_back(db, server, gone)
                changes = [c for c in changes if c.action == "delete" or c.subject not in gone]
                leases = [lease for lease in leases if lease.subject not in gone]
                records = [record for record in records if record.subject not in gone]
            self.leases.holds(db, leases)
            if changes:
                self._mark(db, server, changes, tried=int(attempt is not None))
                refusals.keep(db, server, changes)
            if records:
                new = insert_for(db)(change_table).on_conflict_do_nothing()
                db.execute(new, [row_of(server, record) for record in records])
            if attempt:
                execute_many(db, ATTEMPT, [{"server": server, "at": now(), **attempt}])
            if said:
                ledger.append(db, server=server, at=now(), **said)
        if gone:
            raise withdrawn_meanwhile()

    def _mark(self, db: sa.Connection, server: int, changes: Sequence[Change], tried: int) -> None:
        table = change_table
        execute_many(db, MARKING, [marked(server, change, tried) for change in changes])
        gone = [change.reference for change in changes if change.state == "withdrawn"]
        for part in parts(gone):
            here = sa.and_(
                table.c.server == server,
                table.c.reference.in_(part or []),
                table.c.action == "delete",  # what is wanted again keeps its content
            )
            db.execute(table.update().where(here).values(content=b""))

    def mark_sent(self, changes: Sequence[Change], leases: Sequence[Lease]) -> None:
        """Write down that these are on their way: from now on, we look before we send again.

        Raises LeaseLostError, and writes nothing, when a lease is not ours any more, or a subject
        was withdrawn since: then nothing may be sent.
        """
        sending: dict[str, list[str]] = {}
        for change in changes:
            sending.setdefault(change.subject, []).append(f"{change.reference} {change.hash}")
        with self._engine.begin() as db:
            gone = barred(db, leases[0].server, changes) if leases else frozenset()
            if gone:
                turn_back(db, leases[0].server, gone)
            else:
                self.leases.holds(db, leases, sending)
        if gone:
            raise withdrawn_meanwhile()

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
            for part in parts(references):
                some = query if part is None else query.where(table.c.reference.in_(part))
                for row in db.execute(some):
                    yield row.reference, loads(row.content)

    def count(self, server: int, state: str) -> int:
        """How many changes are in a state."""
        table = change_table
        query = sa.select(sa.func.count()).where(table.c.server == server, table.c.state == state)
        with self._reading() as db:
            return int(db.execute(query).scalar_one())

    def acknowledged_count(self, server: int) -> int:
        """How many resources of the study the server has acknowledged, without records of runs."""
        table = change_table
        query = sa.select(sa.func.count()).where(
            table.c.server == server,
            table.c.acked_hash.is_not(None),
            ~table.c.stage.in_((Stage.RECORD, Stage.AUDIT)),
        )
        with self._reading() as db:
            return int(db.execute(query).scalar_one())


ATTEMPT = attempt_table.insert()
STANDING = sa.select(
    change_table.c.reference, change_table.c.state, change_table.c.hash, change_table.c.acked_hash
).where(change_table.c.server == sa.bindparam("at"))
AMONG = change_table.c.reference.in_(sa.bindparam("of", expanding=True))


@cache
def _wanting(insert: Any) -> Any:
    """The statement that wants content; what was acknowledged stays."""
    kept = ("subject", "stage", "action", "content", "hash", "state", "reason", "source")
    statement = insert(change_table)
    return statement.on_conflict_do_update(
        index_elements=["server", "reference"],
        set_={name: statement.excluded[name] for name in kept},
    )
