"""Bundles of writes and reads: what goes in, and how much.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from adapter.errors import ProtocolError
from adapter.fhir.order import grouped
from adapter.fhir.transport import Refusal, Transport
from adapter.fhir.writing import GONE

MAX_ENTRIES = 200
MAX_BYTES = 900_000  # a common proxy limit is 1 MB


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one Bundle may hold, as a server taught us."""

    entries: int = MAX_ENTRIES
    size: int = MAX_BYTES


def packed(subjects: Sequence[Sequence[Any]], limits: Limits) -> Iterator[list[list[Any]]]:
    """Lists of groups, each list one Bundle; ``subjects`` are the changes of one subject each.

    A subject is split only when it alone is over the limits, and never inside a group.
    """
    bundle: list[list[Any]] = []
    for partition in map(grouped, subjects):
        if bundle and not _fits(bundle + partition, limits):
            yield bundle
            bundle = []
        if _fits(bundle + partition, limits):
            bundle = bundle + partition
            continue
        for group in partition:
            if bundle and not _fits([*bundle, group], limits):
                yield bundle
                bundle = []
            bundle.append(group)
    if bundle:
        yield bundle


def _fits(bundle: list[list[Any]], limits: Limits) -> bool:
    entries = sum(len(group) for group in bundle)
    size = sum(len(change.content) + 300 for group in bundle for change in group)
    return entries <= limits.entries and size <= limits.size


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


def reading(references: Sequence[str]) -> dict[str, Any]:
    """A batch that reads these resources."""
    entries = [{"request": {"method": "GET", "url": reference}} for reference in references]
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}


def read_all(transport: Transport, references: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What a server holds of these, by reference: in batches, or one by one where it takes none.

    Raises what the transport raises, but for what is not there.
    """
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(references), MAX_ENTRIES):
        page = references[start : start + MAX_ENTRIES]
        try:
            found |= entries_read(page, transport.post(reading(page)).body)
        except (Refusal, ProtocolError):
            found |= read_singly(transport, page)
    return found


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
    entries = _entries(body, "batch-response")
    found: dict[str, dict[str, Any]] = {}
    absent = 0
    for entry in entries:
        resource = entry.get("resource")
        status = _status(entry)
        if status == 200 and isinstance(resource, dict):
            found[f"{resource.get('resourceType')}/{resource.get('id')}"] = resource
        elif status in (404, 410):
            absent += 1
    if not found.keys() <= set(references) or len(found) + absent != len(references):
        raise ProtocolError("the answer to a batch of reads does not account for every read")
    return found


def _entries(body: Any, kind: str) -> list[dict[str, Any]]:
    if not isinstance(body, dict) or body.get("type") != kind:
        raise ProtocolError(
            f"the answer is no {kind}",
            hint="does the server support transactions and batches at its base URL?",
        )
    return [entry for entry in body.get("entry", []) if isinstance(entry, dict)]


def _status(entry: dict[str, Any]) -> int:
    text = str((entry.get("response") or {}).get("status", ""))[:3]
    return int(text) if text.isdigit() else 0
