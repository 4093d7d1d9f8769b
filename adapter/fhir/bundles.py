"""Bundles of writes and reads: what goes in, and how much.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapter.errors import ProtocolError
from adapter.fhir.order import grouped
from adapter.fhir.transport import Refusal, TooSlow, Transport
from adapter.fhir.writing import GONE, entries_of, status_of

MAX_ENTRIES = 200
MAX_BYTES = 900_000  # a common proxy limit is 1 MB
AROUND = 300  # bytes of an entry beside its resource
# a server that takes no Bundle at all says one of these, and so does one that refuses a resource
NO_BUNDLES = (403, 404, 405, 415, 501)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one Bundle may hold, as a server taught us."""

    entries: int = MAX_ENTRIES
    size: int = MAX_BYTES


@dataclass(slots=True)
class _Packing:
    """A Bundle that is being filled."""

    groups: list[list[Any]] = field(default_factory=list)
    entries: int = 0
    size: int = 0

    @classmethod
    def of(cls, groups: Sequence[list[Any]]) -> _Packing:
        changes = [change for group in groups for change in group]
        size = sum(len(change.content) + AROUND for change in changes)
        return cls(list(groups), len(changes), size)

    def has_room(self, other: _Packing, limits: Limits) -> bool:
        return (
            self.entries + other.entries <= limits.entries and self.size + other.size <= limits.size
        )

    def add(self, other: _Packing) -> None:
        self.groups += other.groups
        self.entries += other.entries
        self.size += other.size


def packed(subjects: Sequence[Sequence[Any]], limits: Limits) -> list[list[list[Any]]]:
    """Lists of groups, each list one Bundle; ``subjects`` are the changes of one subject each.

    A subject is split only when it alone is over the limits, and never inside a group. The largest
    come first, and each goes where there is room: fewer Bundles, whatever the order.
    """
    whole = sorted((_Packing.of(grouped(each)) for each in subjects), key=lambda one: -one.entries)
    bundles: list[_Packing] = []
    for subject in whole:
        home = next((bundle for bundle in bundles if bundle.has_room(subject, limits)), None)
        if home:
            home.add(subject)
        elif _Packing().has_room(subject, limits):
            bundles.append(subject)
        else:
            bundles += _split(subject, limits)
    return [bundle.groups for bundle in bundles]


def _split(subject: _Packing, limits: Limits) -> list[_Packing]:
    """One subject that is too much for one Bundle: its groups in order, over several."""
    bundles: list[_Packing] = []
    for group in map(_Packing.of, ([group] for group in subject.groups)):
        if bundles and bundles[-1].has_room(group, limits):
            bundles[-1].add(group)
        else:
            bundles.append(group)
    return bundles


def writing(base_url: str, kind: str, changes: Sequence[Any]) -> dict[str, Any]:
    """A Bundle (``kind``: transaction or batch) of PUTs and DELETEs, each with its version."""
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [_entry(base_url, change) for change in changes],
    }


def _entry(base_url: str, change: Any) -> dict[str, Any]:
    place = change.place or change.reference
    request = {"method": "PUT" if change.action == "put" else "DELETE", "url": place}
    if change.version:
        request["ifMatch"] = f'W/"{change.version}"'
    if change.action != "put":
        return {"request": request}
    return {"fullUrl": f"{base_url}/{place}", "resource": change.body, "request": request}


def reading_of(references: Sequence[str]) -> dict[str, Any]:
    """A batch that reads these resources."""
    entries = [{"request": {"method": "GET", "url": reference}} for reference in references]
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}


@dataclass(slots=True)
class Reading:
    """How much one batch of reads may hold, as a server taught us; 1: they go one by one.

    ``learn`` is told what holds longer than a run, by name.
    """

    most: int = MAX_ENTRIES
    learn: Callable[[str, str], None] = lambda _name, _value: None
    taken: bool = False

    def too_much(self, entries: int, lasting: bool) -> None:
        """A batch was refused, and its half was not."""
        half = max(1, entries // 2)
        if half < self.most:
            self.most = half
            if lasting:
                self.learn("read-entries", str(half))

    def no_batches(self) -> None:
        """The server does not answer a batch of reads."""
        self.most = 1
        self.learn("read", "single")


def read_all(
    transport: Transport, references: Sequence[str], reading: Reading | None = None
) -> dict[str, dict[str, Any]]:
    """What a server holds of these, by reference: in batches, or one by one where it takes none.

    Raises what the transport raises, but for what is not there.
    """
    limit = reading or Reading()
    found: dict[str, dict[str, Any]] = {}
    start = 0
    while start < len(references):
        page = references[start : start + limit.most]
        found |= _read_page(transport, page, limit)
        start += len(page)
    return found


def _read_page(
    transport: Transport, page: Sequence[str], limit: Reading
) -> dict[str, dict[str, Any]]:
    """One batch, in halves where it is too much for the server."""
    if limit.most == 1:
        return read_singly(transport, page)
    try:
        found = entries_read(page, transport.post(reading_of(page)).body)
    except TooSlow:
        if len(page) == 1:
            raise
        lasting: bool | None = False
    except Refusal as refusal:
        if not limit.taken and (refusal.status in NO_BUNDLES or len(page) == 1):
            limit.no_batches()
        if limit.most == 1 or len(page) == 1:
            return read_singly(transport, page)
        lasting = True if is_too_much(refusal) else None
    except ProtocolError:
        # whatever stood between us this time: one by one, and batches next time
        return read_singly(transport, page)
    else:
        limit.taken = True
        return found
    middle = len(page) // 2
    found = _read_page(transport, page[:middle], limit)
    if lasting is not None:
        limit.too_much(len(page), lasting)
    return found | _read_page(transport, page[middle:], limit)


def is_too_much(refusal: Refusal) -> bool:
    """Whether a refusal is about the size of what was sent."""
    said = not {"too-costly", "too-long"}.isdisjoint(refusal.issues)
    return refusal.status == 413 or (refusal.status in (400, 422) and said)


def takes_bundles(transport: Transport, kind: str) -> bool:
    """Whether a server takes a Bundle at all: asked with an empty one, which does nothing.

    Raises what the transport raises, but for refusals: one that is about the Bundle's being empty
    is a yes as well.
    """
    try:
        transport.post({"resourceType": "Bundle", "type": kind})
    except Refusal as refusal:
        return refusal.status not in NO_BUNDLES
    except ProtocolError:
        return True
    return True


def read_singly(transport: Transport, references: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What a server holds of these, one request each."""
    found = {}
    for reference in references:
        try:
            body = transport.get(reference).body
        except Refusal as refusal:
            if refusal.status in GONE:
                continue
            raise
        if f"{body.get('resourceType')}/{body.get('id')}" != reference:
            raise ProtocolError("the answer to a read is another resource")
        found[reference] = body
    return found


def entries_read(references: Sequence[str], body: Any) -> dict[str, dict[str, Any]]:
    """The resources a batch found, by reference. Raises ProtocolError when entries are missing.

    A resource is matched by its own type and id; an entry without one must say 404 or 410.
    """
    found: dict[str, dict[str, Any]] = {}
    absent = 0
    for entry in entries_of(body, "batch-response"):
        resource = entry.get("resource")
        status = status_of(entry)
        if status == 200 and isinstance(resource, dict):
            found[f"{resource.get('resourceType')}/{resource.get('id')}"] = resource
        elif status in GONE:
            absent += 1
    if not found.keys() <= set(references) or len(found) + absent != len(references):
        raise ProtocolError("the answer to a batch of reads does not account for every read")
    return found
