"""What a push would do: wanted content against what the server has acknowledged."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from adapter.fhir.order import is_last, references
from adapter.mapped import Mapped
from adapter.outbox.changes import Change, Server, Standing
from adapter.outbox.store import Outbox
from adapter.outbox.tables import PENDING, REFUSED
from adapter.outbox.vanished import Absence

ACTIONS = ("create", "update", "retry", "unchanged", "vanished", "held", "retract")
# wanted before and not done: a push tries it again
TRIED = (*PENDING, *REFUSED)
PAGE = 1_000
MARKS = (1 << 64) - 1
NOTHING_ABSENT = Absence()


class Wanted(Protocol):
    """A resource that a server should hold: see ``Mapped``."""

    @property
    def resource(self) -> dict[str, Any]:
        """Plain FHIR JSON."""

    @property
    def subject(self) -> str:
        """The Patient's id, or "" for the study."""

    @property
    def reference(self) -> str:
        """``Type/id``."""

    @property
    def digest(self) -> str:
        """The hash of its content."""

    @property
    def source(self) -> str | None:
        """The source of study.yaml that its rows came from, where it came from rows."""


def step_of(before: Standing | Change | None, digest: str) -> str | None:
    """What a push does with content of this hash: create, update, retry, or leave it unchanged.

    None for what was given up until its content changes. A plan and a push both ask here.
    """
    if before is None:
        return "create"
    if before.state == "done" and before.acked_hash == digest:
        return "unchanged"
    if before.hash == digest and before.state == "dropped":
        return None
    if before.hash == digest and before.state in TRIED:
        return "retry"
    return "create" if before.acked_hash is None else "update"


def still_wanted(resources: Iterable[Wanted], withdrawn: Collection[str]) -> Iterator[Wanted]:
    """The resources without those of withdrawn subjects, who are in no list any more either."""
    if not withdrawn:
        yield from resources
        return
    names = {f"Patient/{subject}" for subject in withdrawn}
    for each in resources:
        if each.subject in withdrawn:
            continue
        if not each.subject and is_last(each.resource):
            yield Mapped(without_members(each.resource, names), "")
        else:
            yield each


def without_members(resource: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """A Group or List without the members of these references."""
    kept = {}
    for name, held in resource.items():
        if isinstance(held, list):
            held = [one for one in held if not any(r in names for r in references(one))]
            if not held:
                continue
        kept[name] = held
    if "quantity" in kept and kept["resourceType"] == "Group":
        kept["quantity"] = len(kept.get("member", ()))
    return kept


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a plan; ``changes`` are the paths that differ, with values only on request."""

    action: str
    reference: str
    hash: str = ""  # of the content that is wanted
    held: str = ""  # hash of what a live plan saw on the server,
    version: str | None = None  # and its version there
    changes: tuple[dict[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The line as in plan.json."""
        found: dict[str, Any] = {"action": self.action, "reference": self.reference}
        if self.changes:
            found["changes"] = list(self.changes)
        return found


@dataclass(slots=True)
class Plan:
    """What a push would do to a server; ``items`` leave out what is unchanged."""

    server: str
    items: list[Item] = field(default_factory=list)
    unchanged: int = 0
    is_live: bool = False  # compared with what the server holds
    omitted: Mapping[str, int] = field(default_factory=dict)  # what the server is spared, by URL

    @property
    def counts(self) -> dict[str, int]:
        """Resources by action."""
        counts = Counter(item.action for item in self.items)
        counts["unchanged"] = self.unchanged
        return {action: counts[action] for action in ACTIONS}

    @property
    def digest(self) -> str:
        """sha256 of what the plan would do: the same plan, the same digest."""
        lines = sorted(
            f"{item.action} {item.reference} {item.hash} {item.held}".rstrip()
            for item in self.items
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The plan as one object; what is unchanged is only counted."""
        return {
            "server": self.server,
            "digest": self.digest,
            "live": self.is_live,
            "counts": self.counts,
            "omitted": dict(self.omitted),
            "items": [item.to_json() for item in self.items],
        }


def plan(
    outbox: Outbox,
    server: Server,
    resources: Iterable[Wanted],
    *,
    absence: Absence = NOTHING_ABSENT,
    with_values: bool = False,
) -> Plan:
    """Compare by content hash; fields that differ are named by path. Sends nothing.

    ``absence`` tells what vanished from what is held back. Memory does not grow with what is
    unchanged, but for eight bytes a resource.
    """
    row = outbox.server_id(server)
    found = Plan(server.name)
    seen = Seen()
    for page in pages(still_wanted(resources, outbox.withdrawn(row))):
        wanted = {each.reference: each for each in page}
        known = outbox.standing(row, wanted.keys())
        seen.add(wanted)
        digests = {reference: each.digest for reference, each in wanted.items()}
        steps = {name: step_of(known.get(name), digest) for name, digest in digests.items()}
        changed = [name for name, step in steps.items() if step == "update"]
        before = outbox.contents(row, changed) if changed else {}
        for name, step in steps.items():
            if step == "unchanged":
                found.unchanged += 1
            elif step is not None:
                old = before.get(name)
                paths = differences(old, wanted[name].resource, with_values) if old else ()
                found.items.append(Item(step, name, digests[name], changes=tuple(paths)))
    found.items += others(outbox.held_or_wanted(row), seen, absence)
    return found


class Seen:
    """References that are wanted, eight bytes each, in parts that are sorted one by one."""

    def __init__(self) -> None:
        self._parts = [array("Q") for _ in range(256)]
        self._sorted = False

    def add(self, references: Iterable[str]) -> None:
        """These are wanted."""
        for reference in references:
            mark = _mark(reference)
            self._parts[mark & 255].append(mark)
        self._sorted = False

    def __contains__(self, reference: str) -> bool:
        if not self._sorted:
            self._parts = [array("Q", sorted(part)) for part in self._parts]
            self._sorted = True
        mark = _mark(reference)
        part = self._parts[mark & 255]
        place = bisect_left(part, mark)
        return place < len(part) and part[place] == mark


def _mark(reference: str) -> int:
    """Eight bytes that stand for a reference within this process (SipHash, with its own key)."""
    return hash(reference) & MARKS


def others(acknowledged: Iterable[Change], seen: Seen, absence: Absence) -> Iterator[Item]:
    """What nobody wants any more: vanished, held back, to be retracted, or still on its way."""
    for change in acknowledged:
        if change.is_record or change.reference in seen:
            continue
        is_deletion = change.action == "delete"
        if change.state in TRIED and is_deletion:
            yield Item("retract", change.reference, change.hash)
        elif is_deletion or absence.leaves(change):
            continue  # given up
        elif change.state in PENDING and not absence.held(change.reference, change.subject):
            yield Item("retry", change.reference, change.hash)
        elif action := absence.of(change.reference, change.subject, change.source):
            yield Item(action, change.reference)


def pages(resources: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """The resources, as many at a time as are looked up together."""
    every = iter(resources)
    while page := list(islice(every, PAGE)):
        yield page


def differences(old: Any, new: Any, with_values: bool, path: str = "") -> Iterator[dict[str, Any]]:
    """The paths at which two resources differ."""
    if not path and isinstance(new, dict):
        path = str(new.get("resourceType", ""))
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from differences(old.get(name), new.get(name), with_values, f"{path}.{name}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, two) in enumerate(zip(old, new, strict=True)):
            yield from differences(one, two, with_values, f"{path}[{index}]")
    elif old != new or str(old) != str(new):
        yield {"path": path, "from": old, "to": new} if with_values else {"path": path}
