"""One resource, one request: for servers without Bundles, and those that give ids of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.fhir.json import dumps, loads
from adapter.fhir.transport import Answer, Refusal, Transport
from adapter.fhir.writing import CONFLICT, GONE, Verdict, etag, place_of, version_of

if TYPE_CHECKING:
    from adapter.outbox.lessons import Lessons
    from adapter.outbox.store import Change

NO_IDS_OF_OURS = 405  # update-as-create is not allowed


def write_alone(transport: Transport, change: Change, lessons: Lessons) -> Verdict:
    """Write one change by PUT, DELETE or conditional create, and judge the answer.

    Raises what the transport raises, but for refusals: those are verdicts.
    """
    place = change.place or change.reference
    kind = place.partition("/")[0]
    try:
        if change.action == "delete":
            return _deleted(transport.delete(place, change.version))
        if change.place is None and change.version is None and lessons.creates_conditionally(kind):
            return _created(transport, change)
        return _proven(transport.put(place, change.body, change.version), place)
    except Refusal as refusal:
        if refusal.status == NO_IDS_OF_OURS and change.version is None and change.action == "put":
            lessons.creates_only_conditionally(kind)
            return _created(transport, change)
        return _verdict(refusal, change)


def _created(transport: Transport, change: Change) -> Verdict:
    """Create unless there is one with our identifier; the server names the place."""
    kind = change.reference.partition("/")[0]
    sent = loads(dumps(change.body))
    condition = _condition(sent)
    if condition is None:
        return Verdict("refused", NO_IDS_OF_OURS, issues=("no identifier to create it by",))
    resource = {name: value for name, value in sent.items() if name != "id"}
    try:
        answer = transport.create(kind, resource, condition)
    except Refusal as refusal:
        return _verdict(refusal, change)
    return _proven(answer, None)


def _condition(resource: dict[str, Any]) -> str | None:
    identifier = resource.get("identifier")
    first = identifier[0] if isinstance(identifier, list) and identifier else identifier
    if not isinstance(first, dict) or "system" not in first or "value" not in first:
        return None
    return f"identifier={first['system']}|{first['value']}"


def _proven(answer: Answer, wanted: str | None) -> Verdict:
    """Done if the answer names the resource and its version; else nothing is proven."""
    place, version = place_of(
        answer.headers.get("location") or answer.headers.get("content-location") or ""
    )
    if isinstance(answer.body, dict) and answer.body.get("resourceType") != "OperationOutcome":
        place = place or f"{answer.body.get('resourceType')}/{answer.body.get('id')}"
        version = version or version_of(answer.body)
    version = version or etag(answer.headers.get("etag"))
    if wanted is not None and place is None and version is not None:
        place = wanted
    if place is None or (wanted is not None and place != wanted):
        return Verdict("unknown", answer.status)
    return Verdict("done", answer.status, version, place)


def _deleted(answer: Answer) -> Verdict:
    return Verdict("done", answer.status)


def _verdict(refusal: Refusal, change: Change) -> Verdict:
    if change.action == "delete" and refusal.status in GONE:
        return Verdict("done", refusal.status)
    if refusal.status in CONFLICT:
        return Verdict("conflict", refusal.status, issues=refusal.issues, said=refusal.said)
    outcome = "forbidden" if refusal.status == 403 else "refused"
    return Verdict(outcome, refusal.status, issues=refusal.issues, said=refusal.said)
