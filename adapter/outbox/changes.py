"""A change as the outbox holds it: its row, and how what became of it is written down."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import sqlalchemy as sa

from adapter.fhir.access import Access
from adapter.fhir.json import loads
from adapter.fhir.order import is_last
from adapter.fhir.writing import Verdict
from adapter.outbox.tables import IN_DOUBT, PENDING, SETTLED, Stage, change_table

CHUNK = 500

_NEW = {
    name: sa.bindparam(f"new_{name}", type_=sa.Text)
    for name in ("state", "acked_hash", "version", "reason", "place", "in_flight")
}
# What is to be deleted by now, or is wanted again, is not done by what was done before; nor is
# content that has changed while the one before was on its way.
_STATE = sa.case(
    (
        change_table.c.action != sa.bindparam("of_action", type_=sa.Text),
        sa.bindparam("if_turned", type_=sa.Text),
    ),
    (
        change_table.c.hash != sa.bindparam("of_hash", type_=sa.Text),
        sa.bindparam("if_overtaken", type_=sa.Text),
    ),
    else_=_NEW["state"],
)
MARKING = (
    change_table.update()
    .where(
        change_table.c.server == sa.bindparam("at"), change_table.c.reference == sa.bindparam("of")
    )
    .values(
        _NEW
        | {
            "state": _STATE,
            "attempts": change_table.c.attempts + sa.bindparam("tried", type_=sa.Integer),
        }
    )
)


@dataclass(frozen=True, slots=True)
class Server:
    """A FHIR server: the name it is remembered by, its base URL, and how it is reached."""

    name: str
    url: str
    access: Access = field(default_factory=Access, repr=False)


@dataclass(slots=True)
class Change:
    """A resource that a server must hold, or must hold no more (``action`` delete)."""

    reference: str
    subject: str
    content: bytes
    hash: str
    state: str = "new"
    stage: int = Stage.SUBJECT
    action: str = "put"
    acked_hash: str | None = None
    version: str | None = None
    reason: str | None = None
    source: str | None = None
    place: str | None = None
    in_flight: str = ""  # hashes of what was sent and not acknowledged, each with a blank
    is_ours: bool = False  # what the server was last seen to hold is an earlier write of ours
    targets: tuple[str, ...] = ()  # what the content refers to by Type/id
    body: Any = None  # what is sent: the content, or what this server takes of it
    answer: Verdict | None = None  # why it is dead or parked, where the server said so

    @property
    def is_record(self) -> bool:
        """Whether it tells of a run instead of the study."""
        return self.reference.startswith(("Provenance/", "AuditEvent/"))

    @property
    def may_be_overtaken(self) -> bool:
        """Whether it is acknowledged while other content of ours may still arrive, and undo it."""
        return self.state == "done" and self.in_flight not in ("", f"{self.hash} ")

    @property
    def is_queued(self) -> bool:
        """Whether an earlier push wanted this content of the study on the server, and it waits."""
        return self.state in PENDING and self.action == "put" and not self.is_record

    @property
    def resource(self) -> dict[str, Any]:
        """The content as plain FHIR JSON, parsed anew each time."""
        found: dict[str, Any] = loads(self.content)
        return found


class Standing(NamedTuple):
    """How a resource stands with a server; ``hash`` is that of the content wanted last."""

    state: str
    hash: str
    acked_hash: str | None


# The columns of a Change in the order of its fields, with its content and without.
STORED = [change_table.c[each.name] for each in fields(Change) if each.name in change_table.c]
BARE = [c if c.name != "content" else sa.literal(b"").label("content") for c in STORED]


def row_of(server: int, change: Change) -> dict[str, Any]:
    """The row of a change that is wanted anew."""
    return {
        "server": server, "reference": change.reference, "subject": change.subject,
        "stage": int(change.stage), "action": change.action, "content": change.content,
        "hash": change.hash, "state": change.state, "attempts": 0,
        "acked_hash": change.acked_hash, "version": change.version, "reason": change.reason,
        "source": change.source, "place": change.place,
    }  # fmt: skip


def marked(server: int, change: Change, tried: int) -> dict[str, Any]:
    """The parameters of ``MARKING`` for what became of a change."""
    is_settled = change.state in SETTLED and not change.may_be_overtaken
    flying = "" if is_settled else change.in_flight
    return {
        "at": server, "of": change.reference, "new_state": change.state,
        "new_acked_hash": change.acked_hash, "new_version": change.version,
        "new_reason": change.reason, "new_place": change.place, "new_in_flight": flying,
        "of_hash": change.hash, "of_action": change.action, "tried": tried,
        "if_turned": change.state if change.state in IN_DOUBT else "new",
        "if_overtaken": "new" if change.state == "done" else change.state,
    }  # fmt: skip


def stage_of(resource: dict[str, Any], subject: str) -> Stage:
    """When a resource is written."""
    if subject:
        return Stage.SUBJECT
    return Stage.LIST if is_last(resource) else Stage.STUDY


def deletion_stage_of(change: Change) -> Stage:
    """When what this change put there is deleted; the change has its content."""
    if change.subject:
        return Stage.SUBJECT_DELETION
    return Stage.LIST if is_last(change.resource) else Stage.STUDY_DELETION


def parts(references: Collection[str] | None) -> Iterator[list[str] | None]:
    """Names in portions that fit one statement; None, for all, is one portion."""
    if references is None:
        yield None
        return
    names = sorted(references)
    for start in range(0, len(names), CHUNK):
        yield names[start : start + CHUNK]
