"""Transaction Bundles: what goes in, how much, and what the answer proves.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from adapter.errors import ProtocolError
from adapter.fhir.order import grouped, is_last

MAX_ENTRIES = 200
MAX_BYTES = 900_000  # a common proxy limit is 1 MB


@dataclass(frozen=True, slots=True)
class Written:
    """A proven write: the status of the entry and the version the server gave."""

    status: int
    version: str | None


def packed(changes: Sequence[Any]) -> Iterator[list[list[Any]]]:
    """Lists of groups, each list one Bundle: the study first, subjects whole, lists last.

    A subject is split only when it alone is over the limits, and never inside a group.
    """
    yield from _fill([grouped([c for c in changes if not c.subject and not is_last(c.resource)])])
    subjects: dict[str, list[Any]] = {}
    for change in changes:
        if change.subject:
            subjects.setdefault(change.subject, []).append(change)
    yield from _fill([grouped(each) for each in subjects.values()])
    yield from _fill([grouped([c for c in changes if not c.subject and is_last(c.resource)])])


def _fill(partitions: Sequence[list[list[Any]]]) -> Iterator[list[list[Any]]]:
    bundle: list[list[Any]] = []
    for partition in partitions:
        if bundle and not _fits(bundle + partition):
            yield bundle
            bundle = []
        if _fits(bundle + partition):
            bundle = bundle + partition
            continue
        for group in partition:
            if bundle and not _fits([*bundle, group]):
                yield bundle
                bundle = []
            bundle.append(group)
    if bundle:
        yield bundle


def _fits(bundle: list[list[Any]]) -> bool:
    entries = sum(len(group) for group in bundle)
    size = sum(len(change.content) + 300 for group in bundle for change in group)
    return entries <= MAX_ENTRIES and size <= MAX_BYTES


def transaction(base_url: str, changes: Sequence[Any]) -> dict[str, Any]:
    """A transaction of ``PUT Type/id``; an update carries the version it replaces."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [_put(base_url, change) for change in changes],
    }


def _put(base_url: str, change: Any) -> dict[str, Any]:
    request = {"method": "PUT", "url": change.reference}
    if change.version:
        request["ifMatch"] = f'W/"{change.version}"'
    return {
        "fullUrl": f"{base_url}/{change.reference}",
        "resource": change.resource,
        "request": request,
    }


def reading(references: Sequence[str]) -> dict[str, Any]:
    """A batch that reads these resources."""
    entries = [{"request": {"method": "GET", "url": reference}} for reference in references]
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}


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


def judged(changes: Sequence[Any], body: Any) -> dict[str, Written]:
    """The writes that a transaction's answer proves, matched by location, never by position.

    Raises ProtocolError when the answer is no transaction-response.
    """
    wanted = {change.reference for change in changes}
    proven: dict[str, Written] = {}
    for entry in _entries(body, "transaction-response"):
        response = entry.get("response") or {}
        reference, version = _location(str(response.get("location") or ""))
        status = _status(entry)
        if reference in wanted and 200 <= status < 300:
            proven[reference] = Written(status, version or _etag(response.get("etag")))
    return proven


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


def _location(text: str) -> tuple[str, str | None]:
    """``Type/id`` and version of a location, relative or absolute."""
    parts = text.rstrip("/").split("/")
    version = None
    if len(parts) >= 4 and parts[-2] == "_history":
        version = parts[-1]
        parts = parts[:-2]
    return "/".join(parts[-2:]), version


def _etag(text: Any) -> str | None:
    """The version inside an ETag, weak or strong, quoted or bare."""
    return str(text).removeprefix("W/").strip('"') if text else None
