"""Records of a run for the server itself: a Provenance for each subject's bundle, one AuditEvent.

A Provenance is put into the outbox in the transaction that acknowledges what it tells of, so that
neither is there without the other, and so is an AuditEvent with the first of them, which gets its
numbers when the run is over. They are sent after everything else. A run that wrote nothing
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
from adapter.outbox.changes import Change
from adapter.outbox.tables import Stage
from mappings.audit_event import Run as AuditedRun
from mappings.audit_event import audit_event
from mappings.context import Context, Resource
from mappings.provenance import SOFTWARE, Written, provenance

if TYPE_CHECKING:
    from adapter.outbox.run import PushResult


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
            self._change(
                provenance(_written(each, recorded, revised), self.context), subject, Stage.RECORD
            )
            for subject, each in by_subject.items()
        ]

    def audit(self, name: str, did: PushResult | None) -> Change:
        """The AuditEvent of the run of this name: a deletion, a revision, or else a creation.

        None while it is not over: then all that is said is that it wrote, in case it is killed.
        """
        counts = {each: getattr(did, each) if did else 0 for each in COUNTS}
        deleted, updated = counts["deleted"], counts["updated"]
        run = AuditedRun(
            key=(self.began, name),
            interaction="delete" if deleted else "update" if updated else "create",
            began=self.began,
            ended=_instant(self.clock()),
            counts=counts,
            is_complete=did is not None and not (did.dead or did.parked),
            version=version(SOFTWARE),
        )
        return self._change(audit_event(run, self.context), "", Stage.AUDIT)

    def _change(self, resource: Resource, subject: str, stage: Stage) -> Change:
        resource = without(resource, self.omission, Counter())
        content = dumps(resource)
        return Change(reference_to(resource), subject, content, content_hash(resource), stage=stage)


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
