"""What a server does not take: parked, in conflict, dead, or in doubt; and taken back again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from adapter.fhir.writing import Verdict
from adapter.outbox.changes import Change
from adapter.outbox.exchange import Exchange
from adapter.outbox.run import Doubt

Groups: TypeAlias = list[list[Change]]


class Setbacks(Exchange):
    """Decides what becomes of a group of changes that the server did not take."""

    @abstractmethod
    def _bundle(self, bundle: Groups) -> None:
        """Write a bundle, again and again until it is judged."""

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
                change.in_flight = change.in_flight.replace(f"{change.hash} ", "")  # it was judged
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
