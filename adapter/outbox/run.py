"""What the workers of one push share, and what they did."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from adapter.fhir.empty import EmptyTypes
from adapter.fhir.transport import Transport
from adapter.outbox.changes import Change, Server
from adapter.outbox.lessons import Lessons
from adapter.outbox.patience import Breaker
from adapter.outbox.records import Records
from adapter.outbox.store import Outbox

Progress: TypeAlias = Callable[[str, int, int], None]
Connect: TypeAlias = Callable[[Server], Transport]

CLAIM = (400, 4_000)  # changes that a worker takes at a time: a quarter of its share, within these


def transport_to(server: Server) -> Transport:
    """The transport to a server."""
    return Transport(server.url, access=server.access)


@dataclass(slots=True)
class PushResult:
    """What a push did; ``sent`` counts proven writes by resource type."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    dead: int = 0
    parked: int = 0
    records: int = 0  # Provenance and AuditEvent, which count as nothing else
    requests: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    omitted: Counter[str] = field(default_factory=Counter)  # what the server is spared, by URL

    @property
    def writes(self) -> int:
        """Proven writes."""
        return self.created + self.updated + self.deleted

    def add(self, other: PushResult) -> None:
        """Take over what another worker did."""
        for name, count in other.to_json().items():
            setattr(self, name, getattr(self, name) + count)
        self.sent += other.sent

    def to_json(self) -> dict[str, int]:
        """Counts only."""
        names = ("created", "updated", "deleted", "unchanged", "dead", "parked", "records",
                 "requests")  # fmt: skip
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class Doubt:
    """What was given up although nothing else was taken since: is it this, or the server?

    With what refers to it. Settled by the next write that is proven, or else taken back.
    """

    changes: list[Change]
    said: str

    def touches(self, references: set[str]) -> bool:
        """Whether any of these is in doubt."""
        return any(change.reference in references for change in self.changes)


class Run:
    """What the workers of one push share: what they learnt, and how far they are."""

    def __init__(
        self,
        outbox: Outbox,
        row: int,
        progress: Progress,
        records: Records | None = None,
        workers: int = 1,
    ):
        self.outbox, self.row = outbox, row
        self._records = records
        self.name = uuid.uuid4().hex
        self.is_audited = False  # its AuditEvent stands in the outbox
        self.lessons = Lessons(outbox, row)
        self.lessons.begin_run()
        self.empty = EmptyTypes()
        self.held: set[str] = set()  # what the server is known to hold
        self.deleted: Counter[str] = Counter()  # proven deletions, by subject
        self.lost: set[str] = set()  # what it will not hold: dead or parked in this run
        self.stopped = threading.Event()
        self.breaker = Breaker(self.stopped)
        self.is_forbidden = False  # a 403 was answered
        self.proven = 0  # writes of all workers
        self.doubt: Doubt | None = None
        self._progress, self._lock = progress, threading.Lock()
        self._done, self._total = 0, outbox.pending_count(row)
        least, most = CLAIM
        self.claim = min(max(self._total // (4 * workers), least), most)

    @property
    def records(self) -> Records | None:
        """What makes the records of this run, or None where the server takes none."""
        return self._records if self.lessons.takes_records else None

    def prove(self, count: int) -> None:
        """So many writes were proven: the server takes some at least."""
        with self._lock:
            self.proven += count
            self.doubt = None

    def tell(self, count: int) -> None:
        """So many more changes are settled."""
        with self._lock:
            self._done += count
            self._progress("push", min(self._done, self._total), self._total)
