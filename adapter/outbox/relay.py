"""From the outbox to the server: look, write, prove. Nothing is sent twice and nothing is guessed.

What has no acknowledged version is read first, unless the server holds nothing of its type; what
it already holds is acknowledged without a write. A write counts when its entry in the answer proves
it; everything else is looked at before it is sent again. A refused bundle is halved until the
refused resource stands alone. Several processes share the work: each leases the subjects it works
on (``leases.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from adapter.errors import BusyError, ProtocolError, UnavailableError
from adapter.fhir.bundles import NO_BUNDLES, packed, takes_bundles
from adapter.fhir.order import written_targets
from adapter.fhir.transport import Failing, Refusal, TooSlow, Transport, Unknown, busy
from adapter.fhir.writing import BUSY, CONFLICT, Verdict
from adapter.outbox.changes import Change
from adapter.outbox.exchange import Exchange
from adapter.outbox.leases import Lease, LeaseLostError
from adapter.outbox.run import Doubt, Run
from adapter.outbox.single import NO_IDS_OF_OURS
from adapter.outbox.store import Outbox
from adapter.outbox.tables import PENDING, Stage

Groups: TypeAlias = list[list[Change]]

TRIES = 3  # of one content that the server fails over, and again when the others are through
OTHERS_DELAY = 0.2  # seconds between looks at what another process is doing


class Relay(Exchange):
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
        super().__init__(outbox, run, transport, wait, clock, sleep)
        self.lost = run.lost
        self.retried: set[str] = set()
        self.failures: Counter[str] = Counter()  # of the bundle at hand, by reference
        self.proven_before = 0
        self.aside: Groups | None = []  # what failed alone, until the others are through

    # --- the work, subject by subject ---

    def send(self, before: Stage | None = None) -> None:
        """Send everything that is pending, in order, side by side with other workers.

        Nothing of the stage ``before`` or a later one where one is given.

        Raises what push raises; stops when another worker of the run did.
        """
        waited_since = None
        while not self.run.stopped.is_set():
            claimed = self.outbox.claim(self.row, self.run.claim, before)
            if claimed:
                waited_since = None
                self._work(claimed)
            elif not self.outbox.is_pending(self.row, before):
                return
            else:
                others = self.outbox.leases.strangers(self.row)
                waited_since = (waited_since or self.patience.clock()) if others else None
                if waited_since and self.patience.clock() - waited_since > max(
                    self.patience.wait, OTHERS_DELAY
                ):
                    raise BusyError(
                        f"another process is at work: {', '.join(others)}",
                        hint="nothing is lost: push again when it is done",
                    )
                self.patience.sleep(OTHERS_DELAY)

    def _work(self, claimed: Sequence[tuple[Lease, list[Change]]]) -> None:
        self.leases = {lease.subject: lease for lease, _ in claimed}
        try:
            for _, changes in claimed:
                for change in changes:
                    change.targets = written_targets(change.content)
            puts = [[c for c in changes if c.action == "put"] for _, changes in claimed]
            if self.lessons.closed:
                puts = [self._open(changes) for changes in puts]
            deletions = [[c for c in changes if c.action == "delete"] for _, changes in claimed]
            self._send(puts)
            self._delete([each for each in deletions if each])
        except LeaseLostError:
            return  # its new owner looks at what we sent
        finally:
            self.patience.leave()
            self.outbox.leases.release(list(self.leases.values()))
            self.leases = {}

    def _send(self, subjects: Sequence[Sequence[Change]]) -> None:
        ours = {change.reference for changes in subjects for change in changes}
        for bundle in packed([each for each in subjects if each], self.lessons.limits):
            self._whole(bundle, lambda groups: self._with_targets(groups, ours))
            self.run.tell(len(_flat(bundle)))

    def _open(self, changes: list[Change]) -> list[Change]:
        """Park what is of a type that the server only reads, by its own statement."""
        closed = [c for c in changes if c.reference.partition("/")[0] in self.lessons.closed]
        for change in closed:
            kind = change.reference.partition("/")[0]
            change.reason = f"closed: the CapabilityStatement lets nobody create or update {kind}"
        self._park(closed)
        self.run.tell(len(closed))
        return [change for change in changes if change.state != "parked"]

    def _delete(self, subjects: Sequence[Sequence[Change]]) -> None:
        """What refers to others goes first: the order of writes, backwards."""
        for changes in subjects:
            for bundle in reversed(packed([changes], self.lessons.limits)):
                self._whole([list(reversed(group)) for group in reversed(bundle)], list)
                self.run.tell(len(_flat(bundle)))

    def _with_targets(self, bundle: Groups, ours: set[str]) -> Groups:
        """Set aside what refers to something the server will not hold."""
        inside = {change.reference for group in bundle for change in group}
        wanted = {
            target
            for group in bundle
            for change in group
            for target in change.targets
            if target not in inside and target not in self.held
        }
        if wanted:
            known = self.outbox.known(self.row, wanted)
            self.held |= {name for name, change in known.items() if change.acked_hash}
        if wanted <= self.held:
            return bundle
        kept = []
        for group in bundle:
            missing = {
                target
                for change in group
                for target in change.targets
                if target not in self.held and target not in inside
            }
            if missing:
                refused = not missing.isdisjoint(ours | self.lost)
                reason = (
                    "blocked: refers to a refused resource" if refused else "dangling reference"
                )
                self._blocked(group, missing, reason)
                inside -= {change.reference for change in group}
            else:
                kept.append(group)
        return kept

    def _blocked(self, group: list[Change], missing: set[str], reason: str) -> None:
        """What refers to something set aside waits with it, and is in doubt with it."""
        if self.aside and any(c.reference in missing for c in _flat(self.aside)):
            self.aside.append(group)
            return
        self._dead(group, reason)
        if self.run.doubt and self.run.doubt.touches(missing):
            self.run.doubt.changes += group

    # --- one bundle ---

    def _whole(self, bundle: Groups, ready: Callable[[Groups], Groups]) -> None:
        """Write a bundle; what failed alone is tried again when the others are through.

        Where others were taken since, the server is well and the content is what it fails over.
        """
        self.failures.clear()
        self.proven_before, self.aside = self.run.proven, []
        self._bundle(ready(bundle))
        aside, self.aside = self.aside, None
        for group in aside:
            self._bundle(ready([group]))

    def _bundle(self, bundle: Groups) -> None:
        """Write one bundle, again and again until it is judged; halve it when it is refused."""
        tries = 0
        while bundle:
            self.patience.enter()
            before = self.settled
            try:
                bundle, failed = self._attempt(bundle)
            except Refusal as refusal:
                self.patience.answered()
                self.patience.renew()
                self._refused(bundle, refusal)
                return
            except (UnavailableError, ProtocolError) as error:
                self.patience.pause(error)
                continue
            self.patience.answered()
            tries = 1 if self.settled > before else tries + 1
            if failed and self._failed(bundle, failed, tries):
                return

    def _attempt(self, bundle: Groups) -> tuple[Groups, Unknown | None]:
        """Look and write once: what must be sent again, and what its content may be blamed for."""
        changes = _flat(bundle)
        is_blind = self.lessons.ignores_versions
        based_on = {c.reference: c.version for c in changes if c.version} if is_blind else {}
        left = self._look(changes)
        if based_on:
            self._keep_theirs(bundle, left, based_on)
        bundle = _kept(bundle, lambda change: change.state in PENDING)
        left = _flat(bundle)
        if not left:
            return [], None
        try:
            refused = self._write(left)
        except (Failing, TooSlow) as error:
            return bundle, error
        return self._judge(bundle, refused)

    def _failed(self, bundle: Groups, error: Unknown, tries: int) -> bool:
        """Whether a bundle that proved nothing was dealt with; else it is sent again.

        The server answered our reading, so that the content may be what it fails over: the bundle
        is halved, one that fails alone is set aside for the others, and given up when those were
        taken.
        """
        is_slow, is_alone = isinstance(error, TooSlow), len(bundle) == 1
        self.failures.update(change.reference for change in _flat(bundle))
        often = self.failures[bundle[0][0].reference]
        if isinstance(error, Failing | TooSlow) and (often >= TRIES or is_slow):
            if not is_alone:
                if is_slow:
                    self.patience.pause(error, is_away=False)
                    self.lessons.too_slow(len(_flat(bundle)))
                self._halves(bundle)
                return True
            if self.aside is not None and often >= TRIES:
                self.aside.append(bundle[0])
                return True
            if tries >= TRIES and self.run.proven > self.proven_before:
                self._dead(bundle[0], f"failed: {_times(error, often)}")
                return True
        try:
            self.patience.pause(error, is_away=False)
        except UnavailableError:
            if not (is_alone and error.status and tries >= TRIES):
                raise
            if not self._doubtful(bundle[0], _times(error, often)):
                raise
            return True
        return False

    def _halves(self, bundle: Groups) -> None:
        """Write a bundle as two; what the first half refers to goes with it or before."""
        middle = len(bundle) // 2
        ours = {change.reference for change in _flat(bundle)}
        for half in (bundle[:middle], bundle[middle:]):
            self._bundle(self._with_targets(half, ours))

    def _judge(self, bundle: Groups, refused: dict[str, Verdict]) -> tuple[Groups, Unknown | None]:
        """What of a bundle must be sent again, after its entries were judged each for itself."""
        if not refused:
            return [], None
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
        if not unknown:
            return [], None
        # one that is told to come back later is no reason to blame the others
        status = min(refused[change.reference].status for change in _flat(unknown))
        said = f" with HTTP {status}" if status in BUSY else ""
        return unknown, busy(status, f"the answer does not account for every entry{said}")

    # --- what is not done ---

    def _refused(self, bundle: Groups, refusal: Refusal) -> None:
        """Halve a refused bundle; what is refused alone is decided on its own."""
        if len(bundle) > 1:
            before = self.result.dead + self.result.parked
            self._halves(bundle)
            if self.result.dead + self.result.parked == before:  # it was only too much at once
                changes = _flat(bundle)
                size = sum(len(change.content) for change in changes)
                self.lessons.too_much(len(changes), size, refusal.status)
            return
        group = bundle[0]
        if refusal.status in NO_BUNDLES and self._is_alone_next(group, refusal):
            self._bundle([group])
            return
        outcome = "forbidden" if refusal.status == 403 else "refused"
        if refusal.status in CONFLICT:
            outcome = "conflict"
        verdict = Verdict(outcome, refusal.status, issues=refusal.issues, said=refusal.said)
        self._alone(group, verdict)

    def _is_alone_next(self, group: list[Change], refusal: Refusal) -> bool:
        """Whether what was refused in a bundle should be tried without one.

        A server that takes no Bundle says the same as one that refuses this resource: where none
        was taken yet, an empty one tells them apart. 405 may mean that it gives ids of its own.
        """
        lessons, references = self.lessons, {change.reference for change in group}
        if lessons.kind == "single" or references <= self.alone:
            return False
        if not lessons.takes_bundles:
            if not self.patience.ask(lambda: takes_bundles(self.transport, lessons.kind)):
                lessons.no_bundles()
                return True
            lessons.bundle_taken()
        if refusal.status == NO_IDS_OF_OURS and any(change.version is None for change in group):
            self.alone |= references
            return True
        return False

    def _alone(self, group: list[Change], verdict: Verdict) -> None:
        said = f"HTTP {verdict.status} {', '.join(verdict.issues)}".strip()
        for change in group:
            change.answer = verdict
        if verdict.outcome == "conflict":
            self._conflict(group, said)
        elif verdict.outcome == "forbidden":
            for change in group:
                change.reason = f"forbidden: {said}"
            self.run.is_forbidden = True
            self._park(group)
        else:
            for change in group:
                change.in_flight = ""  # it was judged: nothing of it may still arrive
            self._dead(group, f"refused: {said}")

    def _park(self, changes: Sequence[Change]) -> None:
        """The type is closed to us: until a later push finds it open."""
        for change in changes:
            change.state = "parked"
        self._mark(changes)
        self.lost.update(change.reference for change in changes)
        self.result.parked += len(changes)

    def _conflict(self, group: list[Change], said: str) -> None:
        """409 or 412: ours already, as before, an earlier write of ours, or changed by others."""
        based_on = {change.reference: change.version for change in group}
        for change in group:
            change.state = "unknown"
        rest = self.patience.ask(lambda: self._look(group))
        if not rest:
            return
        moved = _moved(rest, based_on)
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
        kept = "nobody changed it: something else refers to it, or the server keeps it"
        self._dead(group, f"conflict: {said}; {found or kept}")

    def _keep_theirs(
        self, bundle: Groups, left: list[Change], based_on: Mapping[str, str | None]
    ) -> None:
        """Where versions are ignored, what was just read takes the place of ``If-Match``."""
        known = [change for change in left if change.reference in based_on]
        moved = {change.reference for change in _moved(known, based_on)}
        for group in bundle:
            if any(change.reference in moved for change in group):
                for change in group:
                    change.version = based_on.get(change.reference, change.version)
                self._conflict(group, "read before the write, as the server ignores versions")

    def _doubtful(self, group: list[Change], said: str) -> bool:
        """Give up what was waited for long enough, for now, so that the others have their turn.

        False where something else is in doubt already: then it is the server that fails.
        """
        if self.run.doubt is not None:
            return False
        self._dead(group, f"failed: {said}")
        self.run.doubt = Doubt(list(group), said)
        return True

    def take_back(self) -> None:
        """Want again what was given up while the server took nothing else."""
        doubt, self.run.doubt = self.run.doubt, None
        if doubt is None:
            return
        for change in doubt.changes:
            change.state, change.reason = "new", None
        self.outbox.mark(self.row, doubt.changes)
        self.lost.difference_update(change.reference for change in doubt.changes)
        self.result.dead -= len(doubt.changes)

    def _dead(self, group: Sequence[Change], reason: str) -> None:
        for change in group:
            change.state, change.reason = "dead", reason
        self._mark(group)
        self.lost.update(change.reference for change in group)
        self.result.dead += len(group)


def _moved(changes: Sequence[Change], based_on: Mapping[str, str | None]) -> list[Change]:
    """Those of which the server was seen to hold a version that is neither known nor ours."""
    return [c for c in changes if c.version != based_on[c.reference] and not c.is_ours]


def _flat(bundle: Groups) -> list[Change]:
    return [change for group in bundle for change in group]


def _times(error: Unknown, often: int) -> str:
    said = f"HTTP {error.status}" if error.status else "no answer in time"
    return f"{said}, {often} times"


def _kept(bundle: Groups, wanted: Callable[[Change], bool]) -> Groups:
    groups = ([change for change in group if wanted(change)] for group in bundle)
    return [group for group in groups if group]
