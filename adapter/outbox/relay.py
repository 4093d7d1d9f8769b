"""From the outbox to the server: look, write, prove. Nothing is sent twice and nothing is guessed.

What has no acknowledged version is read first; what the server already holds is acknowledged
without a write. A write counts when its entry in the answer proves it; everything else is looked
at before it is sent again. A refused bundle is halved until the refused resource stands alone.
Several processes share the work: each leases the subjects it works on (``leases.py``).
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from adapter.errors import BusyError, ProtocolError, UnavailableError
from adapter.fhir.bundles import entries_read, packed, read_singly, reading, writing
from adapter.fhir.json import content_hash, equal
from adapter.fhir.order import is_literal, written_references
from adapter.fhir.transport import Refusal, TooSlow, Transport, Unknown
from adapter.fhir.writing import CONFLICT, Verdict, bundle_verdicts, version_of
from adapter.outbox.leases import Lease, LeaseLostError
from adapter.outbox.lessons import Lessons
from adapter.outbox.records import Records
from adapter.outbox.single import write_alone
from adapter.outbox.store import Change, Outbox, Server

Progress: TypeAlias = Callable[[str, int, int], None]
Connect: TypeAlias = Callable[[Server], Transport]
Groups: TypeAlias = list[list[Change]]

FIRST_DELAY, LONGEST_DELAY = 0.25, 10.0  # seconds
CLAIM = (400, 2_000)  # changes that a worker takes at a time: a quarter of its share, within these
OTHERS_DELAY = 0.2  # seconds between looks at what another process is doing
SETTLED = ("done", "withdrawn")


def connect(server: Server) -> Transport:
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
        self.lessons = Lessons(outbox, row)
        self.held: set[str] = set()  # what the server is known to hold
        self.lost: set[str] = set()  # what it will not hold: dead or parked in this run
        self.stopped = threading.Event()
        self._progress, self._lock = progress, threading.Lock()
        self._done, self._total = 0, outbox.pending_count(row)
        least, most = CLAIM
        self.claim = min(max(self._total // (4 * workers), least), most)

    @property
    def records(self) -> Records | None:
        """What makes the records of this run, or None where the server takes none."""
        return self._records if self.lessons.takes_records else None

    def tell(self, count: int) -> None:
        """So many more changes are settled."""
        with self._lock:
            self._done += count
            self._progress("push", min(self._done, self._total), self._total)


class Relay:
    """Sends what is pending to one server."""

    def __init__(
        self,
        outbox: Outbox,
        run: Run,
        transport: Transport,
        wait: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ):
        self.outbox, self.row, self.transport, self.run = outbox, run.row, transport, run
        self.wait, self.clock, self.sleep = wait, clock, sleep
        self.result = PushResult()
        self.lessons, self.held, self.lost = run.lessons, run.held, run.lost
        self.away_since: float | None = None
        self.delays = 0
        self.leases: dict[str, Lease] = {}
        self.retried: set[str] = set()

    # --- the work, subject by subject ---

    def send(self) -> None:
        """Send everything that is pending, in order, side by side with other workers.

        Raises what push raises; stops when another worker of the run did.
        """
        waited_since = None
        while not self.run.stopped.is_set():
            claimed = self.outbox.claim(self.row, self.run.claim)
            if claimed:
                waited_since = None
                self._work(claimed)
            elif not self.outbox.is_pending(self.row):
                return
            else:
                others = self.outbox.leases.strangers(self.row)
                waited_since = (waited_since or self.clock()) if others else None
                if waited_since and self.clock() - waited_since > max(self.wait, OTHERS_DELAY):
                    raise BusyError(
                        f"another process is at work: {', '.join(others)}",
                        hint="nothing is lost: push again when it is done",
                    )
                self.sleep(OTHERS_DELAY)

    def _work(self, claimed: Sequence[tuple[Lease, list[Change]]]) -> None:
        self.leases = {lease.subject: lease for lease, _ in claimed}
        try:
            for _, changes in claimed:
                for change in changes:
                    change.targets = written_references(change.content)
            puts = [[c for c in changes if c.action == "put"] for _, changes in claimed]
            deletions = [[c for c in changes if c.action == "delete"] for _, changes in claimed]
            self._send(puts)
            self._delete([each for each in deletions if each])
        except LeaseLostError:
            return  # its new owner looks at what we sent
        finally:
            self.outbox.leases.release(list(self.leases.values()))
            self.leases = {}

    def _send(self, subjects: Sequence[Sequence[Change]]) -> None:
        ours = {change.reference for changes in subjects for change in changes}
        for bundle in packed([each for each in subjects if each], self.lessons.limits):
            self._bundle(self._with_targets(bundle, ours))
            self.run.tell(len(_flat(bundle)))

    def _delete(self, subjects: Sequence[Sequence[Change]]) -> None:
        """What refers to others goes first: the order of writes, backwards."""
        for changes in subjects:
            for bundle in packed([changes], self.lessons.limits):
                self._bundle([list(reversed(group)) for group in reversed(bundle)])
                self.run.tell(len(_flat(bundle)))

    def _with_targets(self, bundle: Groups, ours: set[str]) -> Groups:
        """Set aside what refers to something the server will not hold."""
        inside = {change.reference for group in bundle for change in group}
        wanted = {
            target
            for group in bundle
            for change in group
            for target in change.targets
            if is_literal(target) and target not in inside and target not in self.held
        }
        if wanted:
            known = self.outbox.known(self.row, wanted)
            self.held |= {name for name, change in known.items() if change.acked_hash}
        kept = []
        for group in bundle:
            missing = {
                target
                for change in group
                for target in change.targets
                if is_literal(target) and target not in self.held and target not in inside
            }
            if missing:
                refused = not missing.isdisjoint(ours | self.lost)
                reason = (
                    "blocked: refers to a refused resource" if refused else "dangling reference"
                )
                self._dead(group, reason)
                inside -= {change.reference for change in group}
            else:
                kept.append(group)
        return kept

    # --- one bundle ---

    def _bundle(self, bundle: Groups) -> None:
        """Write one bundle, again and again until it is judged; halve it when it is refused."""
        while bundle:
            try:
                self._look(_flat(bundle))
                bundle = _kept(bundle, lambda change: change.state not in SETTLED)
                if bundle:
                    refused = self._write(_flat(bundle))
                    bundle = self._judge(bundle, refused)
                self.away_since, self.delays = None, 0
            except Refusal as refusal:
                self.away_since, self.delays = None, 0
                self._refused(bundle, refusal)
                return
            except TooSlow as error:
                self._pause(error)
                if len(bundle) > 1:
                    self.lessons.too_slow(len(_flat(bundle)))
                    self._halves(bundle)
                    return
            except (UnavailableError, ProtocolError) as error:
                self._pause(error)

    def _halves(self, bundle: Groups) -> None:
        """Write a bundle as two; what the first half refers to goes with it or before."""
        middle = len(bundle) // 2
        ours = {change.reference for change in _flat(bundle)}
        for half in (bundle[:middle], bundle[middle:]):
            self._bundle(self._with_targets(half, ours))

    def _look(self, changes: list[Change]) -> list[Change]:
        """Read what has no acknowledged version; returns what must still be written."""
        unread = [c for c in changes if c.version is None or c.state in ("sent", "unknown")]
        if not unread:
            return changes
        found = dict(self._read(unread))
        sent = {c.reference for c in unread if c.state in ("sent", "unknown")}
        revised = {c.reference for c in unread if c.acked_hash}
        settled = []
        for change in unread:
            resource = found.get(change.reference)
            change.state = "new"
            if resource is None:
                change.version = None
                if change.action == "delete":
                    change.state, change.acked_hash = "withdrawn", None
                    settled.append(change)
                continue
            change.version = version_of(resource)
            change.seen = content_hash(resource) if change.in_flight else None
            if change.action == "put" and equal(resource, self._as_sent(change)):
                change.state, change.acked_hash = "done", change.hash
                settled.append(change)
        done = [change for change in settled if change.state == "done"]
        arrived = [change for change in done if change.reference in sent]
        self._mark(settled, records=self._records_of(arrived, revised))
        self.held.update(change.reference for change in done)
        self.result.unchanged += sum(not change.is_record for change in done)
        return [change for change in changes if change.state not in SETTLED]

    def _read(self, changes: Sequence[Change]) -> Iterator[tuple[str, dict[str, Any]]]:
        """What the server holds of these; in one batch where it takes batches."""
        names = {change.place or change.reference: change.reference for change in changes}
        if self.lessons.reads_batches:
            try:
                found = entries_read(list(names), self.transport.post(reading(list(names))).body)
                yield from ((names[place], resource) for place, resource in found.items())
                return
            except Refusal:
                self.lessons.no_batches()
            except ProtocolError:
                pass  # whatever stood between us this time: one by one, and batches next time
        for place, resource in read_singly(self.transport, list(names)).items():
            yield names[place], resource

    def _write(self, changes: list[Change]) -> dict[str, Verdict]:
        """Send these changes; returns the verdicts that are not ``done``."""
        updates = {change.reference for change in changes if change.version}
        for change in changes:
            change.state = "sent"
            if change.hash not in change.in_flight:
                change.in_flight += f"{change.hash} "
        self.outbox.mark_sent(changes, self._leases_of(changes))
        try:
            verdicts = self._ask(changes)
        except Refusal as refusal:
            for change in changes:
                change.state = "new"
            self._mark(changes, "refused", refusal.status)
            raise
        except (UnavailableError, ProtocolError) as error:
            for change in changes:
                change.state = "unknown" if isinstance(error, Unknown | ProtocolError) else "new"
            self._mark(changes, "unknown")
            raise
        for change in changes:
            self._settle(change, verdicts[change.reference], change.reference in updates)
        done = [change for change in changes if change.state == "done"]
        self._mark(changes, "done", records=self._records_of(done, updates))
        return {name: v for name, v in verdicts.items() if v.outcome != "done"}

    def _ask(self, changes: list[Change]) -> dict[str, Verdict]:
        kind = self.lessons.kind
        if kind == "single":
            return {change.reference: self._ask_alone(change) for change in changes}
        for change in changes:
            change.body = self._body(change)
        body = self.transport.post(writing(self.transport.base_url, kind, changes)).body
        return bundle_verdicts(changes, body)

    def _ask_alone(self, change: Change) -> Verdict:
        """Write one; the place that the server gave it is known to whatever refers to it next."""
        change.body = self._body(change)
        verdict = write_alone(self.transport, change, self.lessons)
        if verdict.outcome == "done" and verdict.place not in (None, change.reference):
            self.lessons.places[change.reference] = verdict.place or ""
        return verdict

    def _body(self, change: Change) -> Any:
        moved = self.lessons.places and change.action == "put"
        return self._as_sent(change) if moved else orjson.Fragment(change.content)

    def _as_sent(self, change: Change) -> dict[str, Any]:
        return as_held(change.resource, self.lessons.places, change.reference)

    def _settle(self, change: Change, verdict: Verdict, is_update: bool) -> None:
        if verdict.outcome != "done":
            change.state = "unknown" if verdict.outcome == "unknown" else "new"
            return
        change.reason = None
        change.version = verdict.version
        if change.action == "delete":
            change.state, change.acked_hash = "withdrawn", None
            self.result.deleted += not change.is_record
            return
        if verdict.place and verdict.place != change.reference:
            change.place = verdict.place
            self.lessons.places[change.reference] = verdict.place
        change.state, change.acked_hash = "done", change.hash
        self.held.add(change.reference)
        if change.is_record:
            self.result.records += 1
            return
        self.result.sent[change.reference.partition("/")[0]] += 1
        self.result.updated += is_update
        self.result.created += not is_update

    def _judge(self, bundle: Groups, refused: dict[str, Verdict]) -> Groups:
        """What of a bundle must be sent again, after its entries were judged each for itself."""
        rest = _kept(bundle, lambda change: change.reference in refused)
        unknown: Groups = []
        for group in rest:
            worst = next(
                (v for c in group if (v := refused[c.reference]).outcome != "unknown"), None
            )
            if worst is None:
                unknown.append(group)
            else:
                self._alone(group, worst)
        if unknown:
            self._pause(Unknown("the answer does not account for every entry"))
        return unknown

    # --- what is not done ---

    def _refused(self, bundle: Groups, refusal: Refusal) -> None:
        """Halve a refused bundle; what is refused alone is decided on its own."""
        if len(bundle) > 1:
            before = self.result.dead + self.result.parked
            self._halves(bundle)
            if self.result.dead + self.result.parked == before:  # it was only too much at once
                self.lessons.too_much(len(_flat(bundle)))
            return
        group = bundle[0]
        if self.lessons.kind != "single" and self.lessons.try_single(refusal):
            self._bundle([group])
            return
        outcome = "forbidden" if refusal.status == 403 else "refused"
        if refusal.status in CONFLICT:
            outcome = "conflict"
        verdict = Verdict(outcome, refusal.status, issues=refusal.issues, said=refusal.said)
        self._alone(group, verdict)

    def _alone(self, group: list[Change], verdict: Verdict) -> None:
        said = f"HTTP {verdict.status} {', '.join(verdict.issues)}".strip()
        for change in group:
            change.answer = verdict
        if verdict.outcome == "conflict":
            self._conflict(group, said)
        elif verdict.outcome == "forbidden":
            for change in group:
                change.state, change.reason = "parked", f"forbidden: {said}"
            self._mark(group)
            self.lost.update(change.reference for change in group)
            self.result.parked += len(group)
        else:
            self._dead(group, f"refused: {said}")

    def _conflict(self, group: list[Change], said: str) -> None:
        """409 or 412: ours already, as before, an earlier write of ours, or changed by others."""
        based_on = {change.reference: change.version for change in group}
        for change in group:
            change.state = "unknown"
        rest = self.patiently(lambda: self._look(group))
        if not rest:
            return
        moved = [
            change
            for change in rest
            if change.version != based_on[change.reference]
            and (change.seen is None or change.seen not in change.in_flight)
        ]
        again = {f"{change.reference} {change.version}" for change in group}
        if not moved and again.isdisjoint(self.retried):
            self.retried |= again
            self._bundle([group])  # what it referred to may be there by now
            return
        found = ", ".join(
            f"{c.reference} is version {c.version or 'gone'}, not {based_on[c.reference] or 'new'}"
            for c in moved
        )
        for change in moved:
            change.version = based_on[change.reference]  # a later push may not overwrite it either
        self._dead(group, f"conflict: {said}; {found or 'changed by others'}")

    def _dead(self, group: Sequence[Change], reason: str) -> None:
        for change in group:
            change.state, change.reason = "dead", reason
        self._mark(group)
        self.lost.update(change.reference for change in group)
        self.result.dead += len(group)

    def _records_of(self, written: Sequence[Change], revised: set[str]) -> list[Change]:
        told = [change for change in written if not change.is_record]
        records = self.run.records
        return records.provenance(told, revised) if records and told else []

    def _mark(
        self,
        changes: Sequence[Change],
        outcome: str | None = None,
        status: int | None = None,
        records: Sequence[Change] = (),
    ) -> None:
        proven = sum(change.state in ("done", "withdrawn") for change in changes)
        attempt = outcome and {
            "entries": len(changes), "outcome": outcome, "proven": proven, "status": status,
        }  # fmt: skip
        self.outbox.mark(self.row, changes, self._leases_of(changes), attempt or None, records)

    def _leases_of(self, changes: Sequence[Change]) -> list[Lease]:
        subjects = dict.fromkeys(change.subject for change in changes)
        return [self.leases[subject] for subject in subjects if subject in self.leases]

    # --- patience ---

    def patiently(self, ask: Callable[[], Any]) -> Any:
        """The answer to a question that changes nothing, asked until the server answers."""
        while True:
            try:
                answer = ask()
                self.away_since, self.delays = None, 0
                return answer
            except (UnavailableError, ProtocolError) as error:
                self._pause(error)

    def _pause(self, error: Any) -> None:
        """Wait for a server that is away, within the budget of ``wait`` seconds."""
        if self.run.stopped.is_set():
            raise UnavailableError("the run was stopped")
        now = self.clock()
        if self.away_since is None:
            self.away_since = now
        left = self.away_since + self.wait - now
        if left <= 0:
            raise UnavailableError(
                f"{error.message}; waited {self.wait:.0f} s",
                hint="nothing is lost: the same push goes on where this one stopped",
            ) from None
        backoff = min(FIRST_DELAY * 2**self.delays, LONGEST_DELAY)
        jittered = backoff * (0.5 + random.random() / 2)  # noqa: S311  not a secret
        self.delays += 1
        asked: float = getattr(error, "retry_after", 0.0)
        if asked > left:
            raise UnavailableError(
                f"the server asks to come back in {asked:.0f} s, later than --wait allows",
                hint="nothing is lost: push again after that time",
            ) from None
        self.sleep(min(max(jittered, asked), left))


def _flat(bundle: Groups) -> list[Change]:
    return [change for group in bundle for change in group]


def _kept(bundle: Groups, wanted: Callable[[Change], bool]) -> Groups:
    groups = ([change for change in group if wanted(change)] for group in bundle)
    return [group for group in groups if group]


def as_held(resource: dict[str, Any], places: dict[str, str], reference: str) -> dict[str, Any]:
    """The resource with the ids that a server gave, in case it gives ids of its own."""
    if not places:
        return resource
    moved: dict[str, Any] = _moved(resource, places)
    if reference in places:
        moved["id"] = places[reference].partition("/")[2]
    return moved


def _moved(value: Any, places: dict[str, str]) -> Any:
    """The JSON with each literal reference as the server has it."""
    if isinstance(value, dict):
        moved = {name: _moved(item, places) for name, item in value.items()}
        target = moved.get("reference")
        if isinstance(target, str):
            moved["reference"] = places.get(target, target)
        return moved
    if isinstance(value, list):
        return [_moved(item, places) for item in value]
    return value
