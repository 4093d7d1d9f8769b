"""One resource, one request: for servers without Bundles, and those that give ids of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.errors import ProtocolError
from adapter.fhir.json import dumps, equal, loads
from adapter.fhir.transport import Answer, Refusal, Transport
from adapter.fhir.writing import CONFLICT, GONE, Verdict, entries_of, etag, place_of, version_of

if TYPE_CHECKING:
    from adapter.outbox.changes import Change
    from adapter.outbox.lessons import Lessons

NO_IDS_OF_OURS = 405  # update-as-create is not allowed
SEVERAL = 412  # to a conditional create
NOT_SAFE = "the server gives the id and finds none by identifier: it might stand twice"


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
            return _created(transport, change, lessons)
        return _proven(transport.put(place, change.body, change.version), place)
    except Refusal as refusal:
        if refusal.status == NO_IDS_OF_OURS and change.version is None and change.action == "put":
            verdict = _created(transport, change, lessons)
            if verdict.outcome == "done":
                lessons.creates_only_conditionally(kind)
            return verdict
        return _verdict(refusal, change)


def _created(transport: Transport, change: Change, lessons: Lessons) -> Verdict:
    """Create unless there is one with our identifier; the server names the place.

    Never without a condition, or a search right before: what was created and not acknowledged
    would stand there twice.
    """
    kind = change.reference.partition("/")[0]
    sent = loads(dumps(change.body))
    wanted = _identifier(sent)
    if wanted is None:
        return Verdict("refused", NO_IDS_OF_OURS, issues=("no identifier to create it by",))
    if not lessons.finds(kind):
        return Verdict("refused", NO_IDS_OF_OURS, issues=(NOT_SAFE,))
    resource = {name: value for name, value in sent.items() if name != "id"}
    try:
        if lessons.searches_first(kind):
            found = _found(transport, kind, wanted)
            if found:
                return _adopted(transport, sent, found)
            return _proven(transport.create(kind, resource, None), None)
        answer = transport.create(kind, resource, f"identifier={wanted}")
        verdict = _proven(answer, None)
        if answer.status == 200 and verdict.place:  # there is one: does it hold what we want?
            return _adopted(transport, sent, [transport.get(verdict.place).body])
        return verdict
    except ProtocolError:
        return Verdict("refused", NO_IDS_OF_OURS, issues=(NOT_SAFE,))
    except Refusal as refusal:
        if refusal.status == SEVERAL:
            return _several(transport, kind, wanted, refusal, change)
        return _verdict(refusal, change)


def _found(transport: Transport, kind: str, wanted: str) -> list[dict[str, Any]]:
    """What a server holds with this ``system|value``.

    Raises ProtocolError when the answer holds others of the type: the server ignores what it does
    not know, and finds everything.
    """
    body = transport.search(kind, {"identifier": wanted}).body
    resources = [each.get("resource") for each in entries_of(body, "searchset")]
    ours = [one for one in resources if isinstance(one, dict) and one.get("resourceType") == kind]
    if any(not _has(one, wanted) for one in ours):
        raise ProtocolError("the server does not search by identifier")
    return ours


def _has(resource: dict[str, Any], wanted: str) -> bool:
    given = resource.get("identifier")
    every = given if isinstance(given, list) else [given]
    named = (one for one in every if isinstance(one, dict))
    return any(f"{one.get('system')}|{one.get('value')}" == wanted for one in named)


def _adopted(transport: Transport, sent: dict[str, Any], found: list[dict[str, Any]]) -> Verdict:
    """One with our identifier is ours: it gets our content where it has another."""
    if len(found) > 1:
        return _ambiguous(found)
    there = found[0]
    place = f"{there.get('resourceType')}/{there.get('id')}"
    resource = {**sent, "id": there.get("id")}
    if equal(there, resource):
        return Verdict("done", 200, version_of(there), place)
    return _proven(transport.put(place, resource, version_of(there)), place)


def _several(
    transport: Transport, kind: str, wanted: str, refusal: Refusal, change: Change
) -> Verdict:
    """412 to a conditional create: which are they?"""
    try:
        found = _found(transport, kind, wanted)
    except (Refusal, ProtocolError):
        found = []
    return _ambiguous(found) if len(found) > 1 else _verdict(refusal, change)


def _ambiguous(found: list[dict[str, Any]]) -> Verdict:
    names = ", ".join(f"{one.get('resourceType')}/{one.get('id')}" for one in found)
    return Verdict("refused", SEVERAL, issues=(f"several match: {names}",))


def _identifier(resource: dict[str, Any]) -> str | None:
    identifier = resource.get("identifier")
    first = identifier[0] if isinstance(identifier, list) and identifier else identifier
    if not isinstance(first, dict) or "system" not in first or "value" not in first:
        return None
    return f"{first['system']}|{first['value']}"


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
