"""Rows that disappeared from a full export: what becomes of what the server holds of them.

A row that is only rejected now has not disappeared: what was acknowledged stays (``held``). In a
delta export an absent row says nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from adapter.errors import UsageError
from adapter.fhir.json import content_hash, dumps
from adapter.fhir.order import written_references
from adapter.mapped import Mapped
from adapter.outbox.changes import Change, Server, deletion_stage_of
from adapter.outbox.store import Outbox
from adapter.outbox.tables import Stage

LIMIT = 0.05  # of what the server acknowledged: more is rather a broken export
# where "entered in error" is said, by type; a type that cannot say it is left as it is
IN_ERROR: Mapping[str, str] = {
    "AdverseEvent": "status",  # R5 alone
    "Consent": "status",
    "DiagnosticReport": "status",
    "DocumentReference": "status",
    "Encounter": "status",
    "MedicationAdministration": "status",
    "Observation": "status",
    "Procedure": "status",
    "QuestionnaireResponse": "status",
    "Specimen": "status",
}
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


@dataclass(frozen=True, slots=True)
class Absence:
    """How to read that something acknowledged is not wanted any more."""

    exports: Mapping[str, str] = field(default_factory=dict)  # source -> full or delta
    policies: Mapping[str, str] = field(default_factory=dict)  # source -> what to do
    held: Callable[[str, str], bool] = lambda _reference, _subject: False

    def of(self, reference: str, subject: str, source: str | None) -> str | None:
        """``held``, ``vanished``, or None where an absent row says nothing."""
        if self.held(reference, subject):
            return "held"
        return None if self.exports.get(source or "") == "delta" else "vanished"

    def leaves(self, change: Change) -> bool:
        """Whether a change that nobody wants any more was never sent and need not be."""
        is_new = change.state == "new" and not (change.acked_hash or change.in_flight)
        return is_new and self.of(change.reference, change.subject, change.source) == "vanished"


@dataclass(frozen=True, slots=True)
class Vanished:
    """What a push makes of what vanished: so many changes, and what stays as others refer to it."""

    wanted: int = 0
    kept: tuple[str, ...] = ()


def recall(outbox: Outbox, server: Server, wanted: Iterable[Mapped], absence: Absence) -> int:
    """Give up what an earlier push queued and nobody wants now; returns how many.

    Given up are what is held back, and what was never sent and whose row is gone from a full
    export. The same content is wanted again once its rows, or a consent, let it through.
    """
    row = outbox.server_id(server)
    if not outbox.is_pending(row):
        return 0
    references = {each.reference for each in wanted}
    queued = [
        change
        for change in outbox.held_or_wanted(row)
        if change.is_queued and change.reference not in references
    ]
    held = [c.reference for c in queued if absence.held(c.reference, c.subject)]
    gone = [c.reference for c in queued if absence.leaves(c)]
    outbox.recall(row, held, "held back: its rows are rejected, or a consent does not permit it")
    outbox.recall(row, gone, "vanished before it was sent")
    return len(held) + len(gone)


def vanish(
    outbox: Outbox, server: Server, references: Collection[str], absence: Absence, allow: bool
) -> Vanished:
    """Want what vanished gone, or said to be an error, as its source says.

    What something that stays refers to is not deleted. Raises UsageError when more than 5 % of
    what was acknowledged would go and ``allow`` is False.
    """
    row = outbox.server_id(server)
    known = outbox.known(row, references)
    chosen = [
        (change, policy)
        for change in known.values()
        if (policy := absence.policies.get(change.source or "", "report")) != "report"
        and change.state == "done"
    ]
    if any(policy == "delete" for _, policy in chosen):
        chosen += [(change, "delete") for change in known.values() if _is_empty_list(change)]
    kept = _needed(outbox, row, {c.reference for c, policy in chosen if policy == "delete"})
    contents = outbox.contents(row, [change.reference for change, _ in chosen])
    wanted = [
        change
        for change, policy in chosen
        if change.reference not in kept and _ended(change, policy, contents[change.reference])
    ]
    total = outbox.acknowledged_count(row)
    if len(wanted) > LIMIT * total and not allow:
        raise UsageError(
            f"{len(wanted):,} of {total:,} resources would go because their rows are gone",
            hint="is the export whole? if it is, push with --allow",
        )
    outbox.enqueue(row, [*wanted, *_records_of(outbox, row, wanted)])
    return Vanished(len(wanted), tuple(sorted(kept)))


def _ended(change: Change, policy: str, resource: dict[str, object]) -> bool:
    """Make a change of what vanished; whether there is anything to send."""
    if policy != "delete":
        return _said_in_error(change, resource)
    change.content = dumps(resource)
    change.action, change.state = "delete", "new"
    change.stage = deletion_stage_of(change)
    return True


def _is_empty_list(change: Change) -> bool:
    """Whether it listed subjects of whom none is left: no row of its own, and no longer mapped."""
    return change.reference.startswith("Group/") and not change.source and change.state == "done"


def _needed(outbox: Outbox, row: int, deleted: set[str]) -> set[str]:
    """Those that something of their subject that stays refers to, and what these refer to.

    What lists subjects (groups) is mapped anew without them, and records go with what they name.
    """
    needed: set[str] = set()
    subjects = {change.subject for change in outbox.known(row, deleted).values()} - {""}
    for subject in sorted(subjects):
        targets = {
            change.reference: written_references(change.content)
            for change in outbox.of_subject(row, subject)
            if change.acked_hash and not change.is_record
        }
        staying = [name for name in targets if name not in deleted]
        while staying:
            found = deleted.intersection(targets[staying.pop()]) - needed
            needed |= found
            staying += found & targets.keys()
    return needed


def _records_of(outbox: Outbox, row: int, gone: Collection[Change]) -> Iterator[Change]:
    """The records that name what is to be deleted: a server keeps what others refer to."""
    deleted = {change.reference for change in gone if change.action == "delete"}
    for subject in sorted({change.subject for change in gone if change.reference in deleted}):
        for record in outbox.of_subject(row, subject):
            if record.is_record and not deleted.isdisjoint(written_references(record.content)):
                record.action, record.state = "delete", "new"
                record.stage = Stage.SUBJECT_DELETION
                yield record


def _said_in_error(change: Change, resource: dict[str, object]) -> bool:
    kind = change.reference.partition("/")[0]
    if kind == "Condition":
        coding = {"system": VERIFICATION, "code": "entered-in-error"}
        stated: object = {"coding": [coding]}
        resource = {k: v for k, v in resource.items() if k != "clinicalStatus"}
        resource["verificationStatus"] = stated
    elif kind in IN_ERROR and IN_ERROR[kind] in resource:
        resource = {**resource, IN_ERROR[kind]: "entered-in-error"}
    else:
        return False
    digest = content_hash(resource)
    if digest == change.acked_hash:
        return False
    change.content, change.hash, change.state = dumps(resource), digest, "new"
    return True
