"""Who works on which subject: leases with a fence, so that several processes share a push.

An owner is one process: host, boot, process and the moment it began. A lease ends by itself when
its time is over, and at once when its owner is a process of this machine that is no more. A new
owner raises the fence; what an owner of the past still writes is refused.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from adapter.errors import BusyError
from adapter.outbox.bulk import execute_many
from adapter.outbox.tables import PENDING, change_table, lease_table

LEASE = 180.0  # seconds: longer than the deadline of any one request

_FENCED = sa.and_(
    lease_table.c.server == sa.bindparam("at"),
    lease_table.c.subject == sa.bindparam("of"),
    lease_table.c.fence == sa.bindparam("fenced"),
)
_OURS = sa.and_(_FENCED, lease_table.c.owner == sa.bindparam("by"))
TAKE_OVER = (
    lease_table.update()
    .where(_FENCED)
    .values(
        owner=sa.bindparam("by"),
        fence=lease_table.c.fence + 1,
        until=sa.bindparam("till"),
        sending="",
    )
)
RENEW = (
    lease_table.update()
    .where(_OURS)
    .values(until=sa.bindparam("till"), sending=sa.bindparam("lines"))
)
RELEASE = lease_table.update().where(_OURS).values(owner="", until=0.0)
_FLYING = sa.bindparam("flying", type_=sa.Text)
LOOK_FIRST = (
    change_table.update()
    .where(
        change_table.c.server == sa.bindparam("at"), change_table.c.reference == sa.bindparam("of")
    )
    .values(
        state=sa.case(
            dict.fromkeys(PENDING, "sent"), value=change_table.c.state, else_=change_table.c.state
        ),
        in_flight=sa.case(
            (change_table.c.in_flight.contains(_FLYING), change_table.c.in_flight),
            else_=change_table.c.in_flight + _FLYING + " ",
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one subject of one server (``""``: the study as a whole)."""

    server: int
    subject: str
    fence: int


class LeaseLostError(BusyError):
    """Another process took the subject over while this one was away."""

    code = "lease-lost"


@cache
def this_process() -> str:
    """The owner's name of this process."""
    return f"{socket.gethostname()}/{_boot()}/{os.getpid()}/{_began(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Whether an owner is a process of this machine that does not exist any more."""
    parts = owner.partition("#")[0].split("/")
    if len(parts) != 4 or parts[0] != socket.gethostname():
        return False
    if parts[1] != _boot():
        return True
    return _began(int(parts[2])) != parts[3]


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # no Linux: leases end by their time alone
        return "unknown"


def _began(process: int) -> str:
    """When a process began, in ticks since the machine did; empty when there is none."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "" if _boot() != "unknown" else "unknown"
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]


class Leases:
    """The leases of one outbox."""

    def __init__(
        self, engine: sa.Engine, clock: Callable[[], float] | None = None, worker: int = 0
    ):
        self._engine = engine
        self._clock = clock
        self.owner = f"{this_process()}#{worker}"

    def now(self, db: sa.Connection) -> float:
        """Seconds of a clock that all owners share: the database's, or this machine's."""
        if self._clock is not None:
            return self._clock()
        if db.dialect.name == "postgresql":
            return float(
                db.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
            )
        return time.clock_gettime(time.CLOCK_MONOTONIC)

    def claim(self, server: int, subjects: Sequence[str]) -> list[Lease]:
        """The leases of those subjects that are free, taken in one transaction."""
        if not subjects:
            return []
        table = lease_table
        here = sa.and_(table.c.server == server, table.c.subject.in_(subjects))
        with self._engine.begin() as db:
            now = self.now(db)
            query = sa.select(table).where(here).with_for_update(skip_locked=True)
            rows = {row.subject: row for row in db.execute(query)}
            free = [row for row in rows.values() if self._is_free(row, now)]
            fences = self._take_over(db, server, free, now)
            for row in free:
                if row.sending and row.subject in fences:
                    _look_first(db, server, row.sending)
            fences |= self._first(db, server, [s for s in subjects if s not in rows], now)
        return [
            Lease(server, subject, fences[subject]) for subject in subjects if subject in fences
        ]

    def _is_free(self, row: sa.Row[Any], now: float) -> bool:
        return row.owner in ("", self.owner) or row.until <= now or is_gone(row.owner)

    def _take_over(
        self, db: sa.Connection, server: int, rows: Sequence[sa.Row[Any]], now: float
    ) -> dict[str, int]:
        """Take these over with the next fence, while they are locked; fences by subject."""
        leases = [Lease(server, row.subject, row.fence) for row in rows]
        execute_many(db, TAKE_OVER, [self._row(lease, till=now + LEASE) for lease in leases])
        return {lease.subject: lease.fence + 1 for lease in leases}

    def _first(
        self, db: sa.Connection, server: int, subjects: Sequence[str], now: float
    ) -> dict[str, int]:
        """Be the first owner of these, where nobody was faster; fences by subject."""
        if not subjects:
            return {}
        rows = [{"server": server, "subject": subject, "owner": self.owner, "fence": 1,
                 "until": now + LEASE} for subject in subjects]  # fmt: skip
        made = insert_for(db)(lease_table).on_conflict_do_nothing()
        taken = db.execute(made.returning(lease_table.c.subject), rows)
        return dict.fromkeys(taken.scalars(), 1)

    def holds(
        self,
        db: sa.Connection,
        leases: Sequence[Lease],
        sending: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """Raises LeaseLostError if one of these is not ours any more; renews them all.

        ``sending`` is what is on its way from now on, by subject: lines of reference and hash. It
        is forgotten when the leases are renewed without it.
        """
        if not leases:
            return
        till = self.now(db) + LEASE
        rows = [
            self._row(lease, till=till, lines="\n".join(sending.get(lease.subject, ())))
            for lease in leases
        ]
        if execute_many(db, RENEW, rows) != len(leases):
            raise LeaseLostError(
                "another process has taken over what this one was working on",
                hint="nothing is lost: what this one sent is looked at by the other",
            )

    def release(self, leases: Sequence[Lease]) -> None:
        """Give leases back."""
        if leases:
            with self._engine.begin() as db:
                execute_many(db, RELEASE, [self._row(lease) for lease in leases])

    def _row(self, lease: Lease, **values: Any) -> dict[str, Any]:
        """The parameters of a statement on a lease of ours."""
        names = {"at": lease.server, "of": lease.subject, "fenced": lease.fence, "by": self.owner}
        return names | values

    def taken(self, server: int) -> dict[str, str]:
        """The subjects that other owners hold now, with their owner."""
        with self._engine.connect().execution_options(reading=True) as db:
            now = self.now(db)
            rows = db.execute(sa.select(lease_table).where(lease_table.c.server == server)).all()
        others = {row.owner for row in rows} - {"", self.owner}
        gone = {owner for owner in others if is_gone(owner)}
        return {
            row.subject: row.owner for row in rows if row.owner in others - gone and row.until > now
        }

    def strangers(self, server: int) -> list[str]:
        """The other processes that hold a lease now."""
        mine = self.owner.partition("#")[0]
        others = {owner.partition("#")[0] for owner in self.taken(server).values()}
        return sorted(others - {mine})

    def of_worker(self, number: int) -> Leases:
        """The leases of another worker of this process."""
        return Leases(self._engine, self._clock, number)


def _look_first(db: sa.Connection, server: int, sending: str) -> None:
    """What an owner of the past had on its way may have arrived, or may arrive yet."""
    lines = (line.split() for line in sending.splitlines())
    db.execute(LOOK_FIRST, [{"at": server, "of": name, "flying": hash_} for name, hash_ in lines])


def insert_for(db: sa.Connection) -> Callable[..., sa.dialects.postgresql.Insert]:
    """The insert of this database that knows ``ON CONFLICT``."""
    from sqlalchemy.dialects import postgresql, sqlite

    return postgresql.insert if db.dialect.name == "postgresql" else sqlite.insert  # type: ignore[return-value]
