"""Withdrawal: a subject's resources taken back from a server, with proof of what is left.

The subject is blocked and its deletions are wanted in one transaction, so that no push can send
anything of it in between. What refers to others goes first. Afterwards every resource is read
again: the proof is the server's 404 or 410, and what it keeps is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from adapter.errors import UsageError
from adapter.fhir.json import content_hash, dumps
from adapter.fhir.order import is_last, references
from adapter.fhir.transport import Refusal
from adapter.fhir.writing import GONE
from adapter.outbox.changes import Change, Server
from adapter.outbox.identity import recognise
from adapter.outbox.planner import without_members
from adapter.outbox.pushing import carry
from adapter.outbox.reading import Reader
from adapter.outbox.records import Records
from adapter.outbox.relay import Relay
from adapter.outbox.run import Connect, PushResult, Run, transport_to
from adapter.outbox.store import Outbox
from adapter.outbox.tables import IN_DOUBT, Stage

PATIENT = "Patient"
ROUNDS = 2  # what others wrote meanwhile is taken back once more


@dataclass(slots=True)
class Retraction:
    """What a withdrawal did: deletions, and what the server keeps, with the reason."""

    subject: str
    deleted: int = 0
    already_gone: int = 0
    remains: dict[str, str] = field(default_factory=dict)

    @property
    def is_proven(self) -> bool:
        """Whether every resource of the subject is answered with 404 or 410, and no list has it."""
        return not self.remains

    def to_json(self) -> dict[str, object]:
        """Counts, and the references that remain with the reason."""
        return {"subject": self.subject, "deleted": self.deleted, "proven": self.is_proven,
                "alreadyGone": self.already_gone, "remains": self.remains}  # fmt: skip


def knows(outbox: Outbox, server: Server, subject: str) -> bool:
    """Whether anything of a subject was ever wanted on a server."""
    return bool(outbox.of_subject(outbox.server_id(server), subject))


def block(outbox: Outbox, server: Server, subject: str) -> Retraction:
    """Withdraw a subject of whom nothing was sent to a server: nothing ever is."""
    row = outbox.server_id(server)
    with outbox.run(row, "retract"):
        outbox.withdraw(row, subject, [])
        outbox.entomb(row, subject, True, {})
    return Retraction(subject)


def retract(
    outbox: Outbox,
    server: Server,
    subject: str,
    *,
    release: str = "R4",
    wait: float = 60,
    transport_factory: Connect = transport_to,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    records: Records | None = None,
) -> Retraction:
    """Withdraw one subject, by the pseudonymous id of its Patient, from a server.

    Nothing of the subject is sent there again. ``records`` makes the AuditEvent. Raises UsageError
    for a subject that was never sent, UnavailableError when the server is away for longer than
    ``wait`` seconds: the subject stays blocked, and the same call goes on.
    """
    row = outbox.server_id(server)
    every = outbox.of_subject(row, subject) if subject else []
    if not every:
        raise UsageError(
            "nothing of this subject was ever sent to the server",
            hint=f"give the id of its {PATIENT}, as `plan --out` and the mapped files show it",
        )
    result = Retraction(subject)
    # also what another process acknowledged after an earlier attempt wanted it deleted
    sent = [change for change in every if change.state != "withdrawn"]
    with outbox.run(row, "retract") as counts, closing(transport_factory(server)) as transport:
        outbox.withdraw(row, subject, [_deletion(change) for change in sent])
        run = Run(outbox, row, lambda *_: None, records)
        reader = Reader(transport, wait, clock, sleep)
        recognise(outbox, row, server, transport, reader.ask)
        for _ in range(ROUNDS):
            outbox.enqueue(row, _lists_without(outbox, row))
            carry([Relay(outbox, run, transport, wait, clock, sleep)], release, PushResult())
            _prove(outbox, row, reader, result)
            if result.is_proven:
                break
            if back := _back_again(outbox.of_subject(row, subject), result):
                outbox.withdraw(row, subject, back)
        result.deleted = run.deleted[subject]
        resources = sum(not change.is_record for change in sent)
        left = sum(change.reference in result.remains for change in sent if not change.is_record)
        result.already_gone = max(0, resources - result.deleted - left)
        counts.update(deleted=result.deleted, remains=len(result.remains))
    return result


def _deletion(change: Change) -> Change:
    """What was on its way may have arrived: it is looked for before it is deleted."""
    change.action = "delete"
    change.state = "unknown" if change.state in IN_DOUBT else "new"
    return change


def _back_again(of_subject: list[Change], result: Retraction) -> list[Change]:
    """What was deleted and is there all the same: a late write brought it back."""
    back = [
        change
        for change in of_subject
        if change.state == "withdrawn" and change.reference in result.remains
    ]
    for change in back:
        change.state = "unknown"
    return back


def _lists(outbox: Outbox, row: int) -> Iterator[Change]:
    """What lists subjects and is on the server, or soon will be."""
    for change in outbox.of_subject(row, ""):
        is_given_up = change.state == "dropped" and not change.acked_hash
        if change.action == "delete" or change.is_record or is_given_up:
            continue
        if is_last(change.resource):
            yield change


def _lists_without(outbox: Outbox, row: int) -> Iterator[Change]:
    """Those that list anybody who was withdrawn, as they are without: others may withdraw too."""
    gone = {f"{PATIENT}/{subject}" for subject in outbox.withdrawn(row)}
    for change in _lists(outbox, row):
        resource = change.resource
        kept = without_members(resource, gone)
        if kept != resource:
            change.content, change.hash = dumps(kept), content_hash(kept)
            change.state = "unknown" if change.state in IN_DOUBT else "new"
            change.stage = Stage.LIST
            yield change


def _prove(outbox: Outbox, row: int, reader: Reader, result: Retraction) -> None:
    """Read everything of the subject, and what lists subjects, once more."""
    refused = {change.reference: change.reason or "refused" for change in outbox.dead(row)}
    every = outbox.of_subject(row, result.subject)  # others may have added records
    patient = f"{PATIENT}/{result.subject}"
    named = next((c.place for c in every if c.reference == patient and c.place), patient)
    result.remains = {}
    for change in every:
        body, why = _read(reader, change)
        if body or why:
            kept = refused.get(change.reference, "the server still has it")
            result.remains[change.reference] = why or kept
    for change in _lists(outbox, row):
        body, why = _read(reader, change)
        if why or named in references(body):
            kept = f"lists the subject: {refused.get(change.reference, 'not written yet')}"
            result.remains[change.reference] = why or kept
    outbox.entomb(row, result.subject, result.is_proven, result.remains)


def _read(reader: Reader, change: Change) -> tuple[Any, str]:
    """A resource as the server shows it, or why it does not; neither when it is gone."""
    try:
        return reader.get(change.place or change.reference).body, ""
    except Refusal as refusal:
        is_gone = refusal.status in GONE
        return None, "" if is_gone else f"cannot be read: HTTP {refusal.status}"
