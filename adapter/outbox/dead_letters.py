"""What a server refused: looked at, tried again, or given up with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapter.errors import UsageError
from adapter.fhir.json import loads
from adapter.outbox.changes import Change, Server
from adapter.outbox.refusals import Refused
from adapter.outbox.store import Outbox


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A resource that a server refused; ``content`` are mapped values under a pseudonym.

    ``refused`` is what the server answered, where its answer is the reason.
    """

    reference: str
    subject: str
    state: str
    reason: str
    content: dict[str, Any]
    refused: Refused | None = None

    @property
    def needs_profiles(self) -> bool:
        """Whether it was refused for a profile that the server does not know."""
        return self.refused is not None and self.refused.is_unknown_profile

    def to_json(self, with_values: bool = False) -> dict[str, Any]:
        """The letter as one object; its content, and what the server wrote, only with values."""
        said: dict[str, Any] = {
            "reference": self.reference, "state": self.state, "reason": self.reason,
        }  # fmt: skip
        if self.refused:
            said["outcome"] = self.refused.to_json(with_values)
        return {**said, "resource": self.content} if with_values else said


def dead_letters(outbox: Outbox, server: Server) -> list[DeadLetter]:
    """Everything that this server refused, or whose type it closes to us."""
    row = outbox.server_id(server)
    return _letters(outbox, row, outbox.dead(row))


def dead_letter(outbox: Outbox, server: Server, reference: str) -> DeadLetter:
    """One of them. Raises UsageError when there is none of that name."""
    [letter] = _letters(outbox, outbox.server_id(server), [_one(outbox, server, reference)])
    return letter


def retry(outbox: Outbox, server: Server, references: tuple[str, ...]) -> int:
    """Want these again, or all without a name; the next push sends them. Returns how many.

    What others changed is written over: whoever retries a conflict has decided that, and the ledger
    says so. Raises UsageError for a name that no dead letter has.
    """
    row = outbox.server_id(server)
    chosen = [_one(outbox, server, name) for name in references] or outbox.dead(row)
    overwriting = []
    for change in chosen:
        if (change.reason or "").startswith("conflict"):
            change.version = None  # the push looks, and writes over what it finds
            overwriting.append(change.reference)
        change.state, change.reason = "new", None
    named = [change.reference for change in chosen]
    outbox.mark(row, chosen, said={"retried": named, "overwriting": overwriting})
    return len(chosen)


def drop(outbox: Outbox, server: Server, reference: str, reason: str) -> None:
    """Give one up, with a reason that stays on record; what the server holds stays there.

    Raises UsageError for a name that no dead letter has, and without a reason.
    """
    if not reason.strip():
        raise UsageError("a dead letter is dropped with a reason", hint='--reason "why"')
    _one(outbox, server, reference)
    outbox.drop(outbox.server_id(server), reference, reason.strip())


def _one(outbox: Outbox, server: Server, reference: str) -> Change:
    for change in outbox.dead(outbox.server_id(server)):
        if change.reference == reference:
            return change
    raise UsageError(
        f"there is no dead letter {reference!r}",
        hint="`dead-letters list` shows them as Type/id",
    )


def _letters(outbox: Outbox, row: int, changes: Sequence[Change]) -> list[DeadLetter]:
    answers = outbox.refused(row, [change.reference for change in changes])
    return [
        DeadLetter(
            reference=change.reference,
            subject=change.subject,
            state=change.state,
            reason=change.reason or "",
            content=loads(change.content) if change.content else {},
            refused=answers.get(change.reference),
        )
        for change in changes
    ]
