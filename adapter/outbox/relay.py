"""From the outbox to the server: look, write, prove. Nothing is sent twice and nothing is guessed.

What has no acknowledged version is read first; what the server already holds is acknowledged
without a write. A write counts when its entry in the answer proves it; everything else is looked
at before it is sent again. A refused bundle is halved until the refused resource stands alone.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from adapter.errors import ProtocolError, UnavailableError
from adapter.fhir.bundles import entries_read, judged, packed, reading, transaction
from adapter.fhir.json import content_hash, dumps, equal, loads
from adapter.fhir.order import is_literal, references
from adapter.fhir.transport import Refusal, Transport, Unknown
from adapter.outbox.planner import Wanted
from adapter.outbox.store import Change, Outbox, Server

Progress: TypeAlias = Callable[[str, int, int], None]
Connect: TypeAlias = Callable[[Server], Transport]

FIRST_DELAY, LONGEST_DELAY = 0.25, 10.0  # seconds
CONFLICTS = (409, 412)


def connect(server: Server) -> Transport:
    """The transport to a server."""
    return Transport(server.url, token=server.token, ca_file=server.ca_file)


@dataclass(slots=True)
class PushResult:
    """What a push did; ``sent`` counts proven writes by resource type."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    dead: int = 0
    requests: int = 0
    sent: Counter[str] = field(default_factory=Counter)

    @property
    def writes(self) -> int:
        """Proven writes."""
        return self.created + self.updated

    def to_json(self) -> dict[str, int]:
        """Counts only."""
        names = ("created", "updated", "unchanged", "dead", "requests")
        return {name: getattr(self, name) for name in names}


def push(
    outbox: Outbox,
    server: Server,
    resources: Iterable[Wanted],
    *,
    wait: float = 60,
    transport_factory: Connect = connect,
    progress: Progress = lambda *_: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> PushResult:
    """Bring a server in step with these resources.

    Raises UnavailableError when the server is away for longer than ``wait`` seconds: everything is
    kept and the next push goes on. Raises AuthenticationError when it does not let us in.
    """
    row = outbox.server_id(server)
    result = PushResult()
    with outbox.run(row, "push") as counts:
        wanted = _changes(resources)
        result.unchanged = _enqueue(outbox, row, wanted)
        transport = transport_factory(server)
        relay = Relay(outbox, row, transport, result, wait, clock, sleep)
        try:
            relay.send(progress)
        finally:
            transport.close()
            result.requests = transport.requests
            counts.update(result.to_json())
    return result


def _changes(resources: Iterable[Wanted]) -> dict[str, Change]:
    changes = {}
    for each in resources:
        reference = f"{each.resource['resourceType']}/{each.resource['id']}"
        changes[reference] = Change(
            reference, each.subject, dumps(each.resource), content_hash(each.resource)
        )
    return changes


def _enqueue(outbox: Outbox, row: int, wanted: dict[str, Change]) -> int:
    """Put what differs from the acknowledged into the outbox; returns how many do not."""
    unchanged = 0
    new = []
    for reference, known in outbox.known(row).items():
        change = wanted.get(reference)
        if change is None:
            continue
        change.acked_hash, change.version = known.acked_hash, known.version
        if known.state == "done" and known.acked_hash == change.hash:
            unchanged += 1
            change.state = "done"
        elif known.state in ("sent", "unknown"):
            change.state = "unknown"
    new = [change for change in wanted.values() if change.state != "done"]
    outbox.enqueue(row, new)
    return unchanged


class Relay:
    """Sends what is pending to one server."""

    def __init__(
        self,
        outbox: Outbox,
        row: int,
        transport: Transport,
        result: PushResult,
        wait: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ):
        self.outbox, self.row, self.transport, self.result = outbox, row, transport, result
        self.wait, self.clock, self.sleep = wait, clock, sleep
        self.away_since: float | None = None
        self.delays = 0
        self.held: set[str] = set()  # what the server is known to hold

    def send(self, progress: Progress) -> None:
        """Send everything that is pending, in order."""
        pending = self.outbox.pending(self.row)
        for change in pending:
            change.resource = loads(change.content)
            change.targets = tuple(references(change.resource))
        ours = {change.reference for change in pending}
        self.held = {r for r, c in self.outbox.known(self.row).items() if c.acked_hash}
        done = 0
        for bundle in packed(pending):
            self._bundle(self._with_targets(bundle, ours))
            done += sum(len(group) for group in bundle)
            progress("push", done, len(pending))

    def _with_targets(self, bundle: list[list[Change]], ours: set[str]) -> list[list[Change]]:
        """Set aside what refers to something the server will not hold."""
        inside = {change.reference for group in bundle for change in group}
        kept = []
        for group in bundle:
            missing = {
                target
                for change in group
                for target in change.targets
                if is_literal(target) and target not in self.held and target not in inside
            }
            if missing:
                refused = any(target in ours for target in missing)
                reason = (
                    "blocked: refers to a refused resource" if refused else "dangling reference"
                )
                self._dead(group, reason)
                inside -= {change.reference for change in group}
            else:
                kept.append(group)
        return kept

    def _bundle(self, bundle: list[list[Change]]) -> None:
        """Write one bundle, again and again until it is judged; halve it when it is refused."""
        while bundle:
            try:
                rest = self._look([change for group in bundle for change in group])
                bundle = [g for g in ([c for c in group if c in rest] for group in bundle) if g]
                if bundle:
                    self._write([change for group in bundle for change in group])
                    bundle = [[c for c in g if c.state != "done"] for g in bundle]
                    bundle = [group for group in bundle if group]
                self.away_since, self.delays = None, 0
            except Refusal as refusal:
                self.away_since, self.delays = None, 0
                self._refused(bundle, refusal)
                return
            except (UnavailableError, ProtocolError) as error:
                self._pause(error)

    def _look(self, changes: list[Change]) -> list[Change]:
        """Read what has no acknowledged version; returns what must still be written."""
        unread = [c for c in changes if c.version is None or c.state in ("sent", "unknown")]
        if not unread:
            return changes
        names = [change.reference for change in unread]
        found = entries_read(names, self.transport.post(reading(names)).body)
        there = []
        for change in unread:
            resource = found.get(change.reference)
            change.state = "new"
            if resource is None:
                change.version = None
                continue
            change.version = str((resource.get("meta") or {}).get("versionId") or "") or None
            if equal(resource, change.resource):
                change.state, change.acked_hash = "done", change.hash
                there.append(change)
        self.outbox.mark(self.row, there)
        self.held.update(change.reference for change in there)
        self.result.unchanged += len(there)
        return [change for change in changes if change.state != "done"]

    def _write(self, changes: list[Change]) -> None:
        updates = {change.reference for change in changes if change.version}
        for change in changes:
            change.state = "sent"
        self.outbox.mark(self.row, changes)
        try:
            answer = self.transport.post(transaction(self.transport.base_url, changes))
            proven = judged(changes, answer.body)
        except Refusal:
            for change in changes:
                change.state = "new"
            raise
        except (Unknown, ProtocolError):
            for change in changes:
                change.state = "unknown"
            self.outbox.mark(self.row, changes)
            raise
        for change in changes:
            written = proven.get(change.reference)
            if written is None:
                change.state = "unknown"
                continue
            change.state, change.acked_hash, change.version = "done", change.hash, written.version
            change.reason = None
            self.held.add(change.reference)
            self.result.sent[change.reference.partition("/")[0]] += 1
            self.result.updated += change.reference in updates
            self.result.created += change.reference not in updates
        self.outbox.mark(self.row, changes)
        if len(proven) < len(changes):
            raise Unknown("the answer does not account for every entry")

    def _refused(self, bundle: list[list[Change]], refusal: Refusal) -> None:
        """Halve a refused bundle; what is refused alone becomes a dead letter."""
        if len(bundle) > 1:
            middle = len(bundle) // 2
            ours = {change.reference for group in bundle for change in group}
            for half in (bundle[:middle], bundle[middle:]):
                self._bundle(self._with_targets(half, ours))
            return
        group = bundle[0]
        if refusal.status in CONFLICTS and self._is_ours(group):
            return
        kind = "conflict" if refusal.status in CONFLICTS else "refused"
        self._dead(group, f"{kind}: HTTP {refusal.status} {', '.join(refusal.issues)}".strip())

    def _is_ours(self, group: list[Change]) -> bool:
        for change in group:
            change.state = "unknown"
        try:
            return not self._look(group)
        except (Refusal, UnavailableError, ProtocolError):
            return False

    def _dead(self, group: Sequence[Change], reason: str) -> None:
        for change in group:
            change.state, change.reason = "dead", reason
        self.outbox.mark(self.row, group)
        self.result.dead += len(group)

    def _pause(self, error: Any) -> None:
        """Wait for a server that is away, within the budget of ``wait`` seconds."""
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
