"""One bundle between the outbox and a server: look, write, and write down what was proven."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import orjson

from adapter.errors import ProtocolError, UnavailableError
from adapter.fhir.bundles import read_all, writing
from adapter.fhir.json import content_hash, equal
from adapter.fhir.transport import Refusal, Transport, Unknown
from adapter.fhir.writing import Verdict, bundle_verdicts, version_of
from adapter.outbox.changes import Change
from adapter.outbox.leases import Lease
from adapter.outbox.patience import Patience
from adapter.outbox.places import as_held
from adapter.outbox.run import PushResult, Run
from adapter.outbox.single import write_alone
from adapter.outbox.store import Outbox
from adapter.outbox.tables import IN_DOUBT, SETTLED

WRITTEN_OVER = 200  # a PUT that creates is answered with 201


class Exchange:
    """What one worker of a run says to one server, and hears from it."""

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
        self.result = PushResult()
        self.lessons, self.held = run.lessons, run.held
        self.patience = Patience(run.breaker, run.stopped, wait, clock, sleep)
        self.leases: dict[str, Lease] = {}
        self.alone: set[str] = set()  # what is refused in a bundle, of a server that takes some
        self.settled = 0  # changes that this worker found or wrote
        self.lost = run.lost
        self.retried: set[str] = set()  # what was sent once more after a conflict, with its version

    def _look(self, changes: list[Change]) -> list[Change]:
        """Read what has no acknowledged version; returns what must still be written."""
        unread = [change for change in changes if self._is_unread(change)]
        if not unread:
            return changes
        found = self._read(unread)
        sent = {c.reference for c in unread if c.state in IN_DOUBT}
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
            self._land(change, resource)
            if change.action == "put" and equal(resource, self._as_sent(change)):
                change.state, change.acked_hash = "done", change.hash
                change.in_flight = ""  # whatever else was on its way did not undo it
                settled.append(change)
        done = [change for change in settled if change.state == "done"]
        arrived = [change for change in done if change.reference in sent]
        self._mark(settled, records=self._records_of(arrived, revised))
        self._count(len(settled), len(arrived))
        self.held.update(change.reference for change in done)
        self.result.unchanged += sum(not change.is_record for change in done)
        return [change for change in changes if change.state not in SETTLED]

    def _land(self, change: Change, resource: dict[str, Any]) -> None:
        """An earlier write of ours that is seen on the server is not on its way any more."""
        seen = f"{content_hash(resource)} " if change.in_flight else ""
        change.is_ours = bool(seen) and seen in change.in_flight
        if change.is_ours:
            change.in_flight = change.in_flight.replace(seen, "")

    def _is_unread(self, change: Change) -> bool:
        """Whether the server may hold it in a version that we do not know."""
        if change.state in IN_DOUBT:
            return True
        if change.version is not None:
            return self.lessons.ignores_versions
        if change.action == "delete" or change.acked_hash:
            return True
        kind = change.reference.partition("/")[0]
        return not self.run.empty.has(self.transport, self.lessons.capability, kind)

    def _read(self, changes: Sequence[Change]) -> dict[str, dict[str, Any]]:
        """What the server holds of these; in batches where it takes them."""
        names = {change.place or change.reference: change.reference for change in changes}
        found = read_all(self.transport, list(names), self.lessons.reading)
        return {names[place]: resource for place, resource in found.items()}

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
        proven = [change for change in changes if change.state in SETTLED]
        self._mark(changes, "done", records=self._records_of(proven, updates))
        self._count(len(proven), len(proven))
        return {name: v for name, v in verdicts.items() if v.outcome != "done"}

    def _ask(self, changes: list[Change]) -> dict[str, Verdict]:
        """The verdicts: one bundle, but for what must be written alone."""
        if self.lessons.kind != "single" and not (self.alone or self.lessons.conditional):
            return self._ask_together(changes)
        verdicts: dict[str, Verdict] = {}
        for alone, part in groupby(changes, self._goes_alone):
            if alone:
                verdicts |= {change.reference: self._ask_alone(change) for change in part}
            else:
                verdicts |= self._ask_together(list(part))
        return verdicts

    def _goes_alone(self, change: Change) -> bool:
        if self.lessons.kind == "single" or change.reference in self.alone:
            return True
        is_new = change.action == "put" and change.place is None and change.version is None
        return is_new and self.lessons.creates_conditionally(change.reference.partition("/")[0])

    def _ask_together(self, changes: list[Change]) -> dict[str, Verdict]:
        for change in changes:
            change.body = self._body(change)
        bundle = writing(self.transport.base_url, self.lessons.kind, changes)
        begun = self.patience.clock()
        answer = self.transport.post(bundle)
        seconds = self.patience.clock() - begun
        verdicts = bundle_verdicts(changes, answer.body)
        if all(verdict.outcome == "done" for verdict in verdicts.values()):
            self.lessons.bundle_taken(len(changes), seconds)
        return verdicts

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
            self.run.deleted[change.subject] += not change.is_record
            return
        if not is_update and verdict.status == WRITTEN_OVER:
            self.run.empty.doubt()
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

    def _count(self, settled: int, proven: int) -> None:
        """So many changes are settled, so many of them by a write: that renews our patience."""
        if settled:
            self.settled += settled
            self.patience.renew()
        if proven:
            self.run.prove(proven)

    def _records_of(self, written: Sequence[Change], revised: set[str]) -> list[Change]:
        told = [change for change in written if not change.is_record]
        records = self.run.records
        if not (records and told):
            return []
        made = records.provenance([c for c in told if c.action == "put"], revised)
        return made if self.run.is_audited else [*made, records.audit(self.run.name, None)]

    def _mark(
        self,
        changes: Sequence[Change],
        outcome: str | None = None,
        status: int | None = None,
        records: Sequence[Change] = (),
    ) -> None:
        proven = sum(change.state in SETTLED for change in changes)
        attempt = outcome and {
            "entries": len(changes), "outcome": outcome, "proven": proven, "status": status,
        }  # fmt: skip
        self.outbox.mark(self.row, changes, self._leases_of(changes), attempt or None, records)
        self.run.is_audited = self.run.is_audited or bool(records)

    def _leases_of(self, changes: Sequence[Change]) -> list[Lease]:
        subjects = dict.fromkeys(change.subject for change in changes)
        return [self.leases[subject] for subject in subjects if subject in self.leases]
