"""Rows that disappeared from a full export: what becomes of what the server holds of them.

A row that is only rejected now has not disappeared: what was acknowledged stays (``held``). In a
delta export an absent row says nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from adapter.errors import UsageError
from adapter.fhir.json import content_hash, dumps
from adapter.fhir.order import written_references
from adapter.outbox.changes import deletion_stage_of
from adapter.outbox.store import Change, Outbox, Server
from adapter.outbox.tables import PENDING, Stage

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


def recall(outbox: Outbox, server: Server, absence: Absence) -> int:
    """Give up what an earlier push queued and is held back now; returns how many.

    The same content is wanted again once its rows, or a consent, let it through.
    """
    row = outbox.server_id(server)
    if not outbox.is_pending(row):
        return 0
    held = [
        change.reference
        for change in outbox.held_or_wanted(row)
        if change.state in PENDING
        and change.action == "put"
        and absence.held(change.reference, change.subject)
    ]
    outbox.recall(row, held)
    return len(held)


def vanish(
    outbox: Outbox, server: Server, references: Collection[str], absence: Absence, allow: bool
) -> int:
    """Want what vanished gone, or said to be an error, as its source says; returns how many.

    Raises UsageError when more than 5 % of what was acknowledged would go and ``allow`` is False,
    or when something that stays refers to what would be deleted.
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
    total = outbox.count(row, "done")
    if len(chosen) > LIMIT * total and not allow:
        raise UsageError(
            f"{len(chosen):,} of {total:,} resources would go because their rows are gone",
            hint="is the export whole? if it is, push with --allow",
        )
    _refuse_dangling(outbox, row, {c.reference for c, policy in chosen if policy == "delete"})
    contents = outbox.contents(row, [change.reference for change, _ in chosen])
    for change, policy in chosen:
        if policy == "delete":
            change.content = dumps(contents[change.reference])
            change.action, change.state = "delete", "new"
            change.stage = deletion_stage_of(change)
        elif not _said_in_error(change, contents[change.reference]):
            continue
    wanted = [change for change, _ in chosen if change.state == "new"]
    outbox.enqueue(row, [*wanted, *_records_of(outbox, row, wanted)])
    return sum(change.state == "new" for change, _ in chosen)


def _is_empty_list(change: Change) -> bool:
    """Whether it listed subjects of whom none is left: no row of its own, and no longer mapped."""
    return change.reference.startswith("Group/") and not change.source and change.state == "done"


def _refuse_dangling(outbox: Outbox, row: int, deleted: set[str]) -> None:
    """Raise UsageError when something of a subject that stays refers to what would go.

    What lists subjects (groups) is mapped anew without them, and records go with what they name.
    """
    subjects = {change.subject for change in outbox.known(row, deleted).values()} - {""}
    for subject in sorted(subjects):
        for change in outbox.of_subject(row, subject):
            if change.is_record or change.reference in deleted or not change.acked_hash:
                continue
            if not deleted.isdisjoint(written_references(change.content)):
                raise UsageError(
                    f"{change.reference} stays, and refers to what would be deleted",
                    hint="its source is a delta export, or reports what vanishes: make that one "
                    "full with on-vanish: delete too, or `retract` the subject",
                )


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
