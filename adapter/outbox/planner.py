"""What a push would do: wanted content against what the server has acknowledged."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from adapter.fhir.json import content_hash
from adapter.outbox.store import Outbox, Server

ACTIONS = ("create", "update", "unchanged", "vanished", "held")


class Wanted(Protocol):
    """A resource that a server should hold, and the subject it belongs to."""

    @property
    def resource(self) -> dict[str, Any]:
        """Plain FHIR JSON."""

    @property
    def subject(self) -> str:
        """The Patient's id, or "" for the study."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a plan; ``changes`` are the paths that differ, with values only on request."""

    action: str
    reference: str
    hash: str = ""  # of the content that is wanted
    changes: tuple[dict[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The line as in plan.json."""
        found: dict[str, Any] = {"action": self.action, "reference": self.reference}
        if self.changes:
            found["changes"] = list(self.changes)
        return found


@dataclass(frozen=True, slots=True)
class Plan:
    """What a push would do to a server."""

    server: str
    items: list[Item] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Items by action."""
        counts = Counter(item.action for item in self.items)
        return {action: counts[action] for action in ACTIONS}

    @property
    def digest(self) -> str:
        """sha256 of what the plan would do: the same plan, the same digest."""
        lines = sorted(f"{item.action} {item.reference} {item.hash}" for item in self.items)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The plan as one object; what is unchanged is only counted."""
        items = [item.to_json() for item in self.items if item.action != "unchanged"]
        return {
            "server": self.server,
            "digest": self.digest,
            "counts": self.counts,
            "items": items,
        }


def plan(
    outbox: Outbox,
    server: Server,
    resources: Iterable[Wanted],
    *,
    held: Collection[str] = (),
    with_values: bool = False,
) -> Plan:
    """Compare by content hash; fields that differ are named by path. Sends nothing."""
    known = outbox.known(outbox.server_id(server))
    acknowledged = {ref: c for ref, c in known.items() if c.acked_hash}
    wanted = {f"{w.resource['resourceType']}/{w.resource['id']}": w.resource for w in resources}
    hashes = {reference: content_hash(resource) for reference, resource in wanted.items()}
    changed = {
        reference
        for reference, wanted_hash in hashes.items()
        if reference in acknowledged and acknowledged[reference].acked_hash != wanted_hash
    }
    before = outbox.contents(outbox.server_id(server), changed)
    found = Plan(server.name)
    for reference, resource in wanted.items():
        if reference not in acknowledged:
            found.items.append(Item("create", reference, hashes[reference]))
        elif reference in changed:
            old = before.get(reference)
            paths = tuple(differences(old, resource, with_values)) if old else ()
            found.items.append(Item("update", reference, hashes[reference], paths))
        else:
            found.items.append(Item("unchanged", reference, hashes[reference]))
    for reference in acknowledged.keys() - wanted.keys():
        found.items.append(Item("held" if reference in held else "vanished", reference))
    return found


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
