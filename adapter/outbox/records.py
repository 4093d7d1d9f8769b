"""Records of a run for the server itself: a Provenance for each subject's bundle, one AuditEvent.

A Provenance is put into the outbox in the transaction that acknowledges what it tells of, so that
neither is there without the other; it is sent after everything else. A run that wrote nothing
leaves no record on the server, only a line in the local ledger.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

from adapter.fhir.json import content_hash, dumps
from adapter.fhir.omit import Omission, without
from adapter.fhir.order import reference_to
from adapter.outbox.store import Change
from adapter.outbox.tables import Stage
from mappings.audit_event import Run as AuditedRun
from mappings.audit_event import audit_event
from mappings.context import Context, Resource
from mappings.provenance import SOFTWARE, Written, provenance

if TYPE_CHECKING:
    from adapter.outbox.relay import PushResult


def now() -> dt.datetime:
    """This moment, in UTC."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Records:
    """Makes the records of one run, as the study's context and the server's settings want them."""

    context: Context
    omission: Omission = field(default_factory=Omission)
    clock: Callable[[], dt.datetime] = now
    began: str = field(default_factory=lambda: _instant(now()))

    def provenance(self, written: Iterable[Change], revised: set[str]) -> list[Change]:
        """One Provenance a subject of what was written; ``revised`` was on the server before."""
        by_subject: dict[str, list[Change]] = {}
        for change in written:
            by_subject.setdefault(change.subject, []).append(change)
        recorded = _instant(self.clock())
        return [
            self._change(provenance(_written(each, recorded, revised), self.context), subject)
            for subject, each in by_subject.items()
        ]

    def audit(self, did: PushResult) -> Change:
        """The AuditEvent of the run: a deletion, a revision, or else a creation."""
        interaction = "delete" if did.deleted else "update" if did.updated else "create"
        ended = _instant(self.clock())
        counts = {name: getattr(did, name) for name in COUNTS}
        run = AuditedRun(
            key=(self.began, ended, *map(str, counts.values())),
            interaction=interaction,
            began=self.began,
            ended=ended,
            counts=counts,
            is_complete=not (did.dead or did.parked),
            version=version(SOFTWARE),
        )
        return self._change(audit_event(run, self.context), "")

    def _change(self, resource: Resource, subject: str) -> Change:
        resource = without(resource, self.omission, Counter())
        change = Change(reference_to(resource), subject, dumps(resource), content_hash(resource))
        change.stage = Stage.RECORD
        return change


COUNTS = ("created", "updated", "deleted", "dead", "parked")


def _written(changes: Sequence[Change], recorded: str, revised: set[str]) -> Written:
    lines = sorted(f"{change.reference} {change.hash}" for change in changes)
    return Written(
        key=(recorded, hashlib.sha256("\n".join(lines).encode()).hexdigest()),
        subject=changes[0].subject,
        recorded=recorded,
        is_new=revised.isdisjoint(change.reference for change in changes),
        references=tuple(sorted(change.reference for change in changes)),
        version=version(SOFTWARE),
    )


def _instant(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
