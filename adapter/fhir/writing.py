"""What an answer to a write proves, entry by entry.

A write is done when the server names the resource and says 2xx; a bundle's own status proves
nothing. Entries are matched by location, never by position, since servers leave entries out.
https://hl7.org/fhir/R4/http.html#transaction-response
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from adapter.errors import ProtocolError
from adapter.fhir.outcomes import Said, said_of

GONE = (404, 410)
BUSY = frozenset((408, 425, 429, 500, 502, 503, 504))
CONFLICT = (409, 412)


class Verdict(NamedTuple):
    """What became of one write.

    ``outcome`` is ``done`` (proven), ``unknown`` (look before anything else), ``conflict`` (409 and
    412: look, then decide), ``forbidden`` (403) or ``refused``.
    """

    outcome: str
    status: int = 0
    version: str | None = None
    place: str | None = None
    issues: tuple[str, ...] = ()
    said: Said | None = None  # its OperationOutcome


UNKNOWN = Verdict("unknown")


def entries_of(body: Any, *types: str) -> list[dict[str, Any]]:
    """The entries of a Bundle of one of these types. Raises ProtocolError for anything else."""
    is_answer = isinstance(body, dict) and body.get("type") in types
    entries = body.get("entry", []) if is_answer else None
    if not isinstance(entries, list):
        raise ProtocolError(
            f"the answer is no {types[0]}",
            hint="does the server support transactions and batches at its base URL?",
        )
    return [entry for entry in entries if isinstance(entry, dict)]


def status_of(entry: dict[str, Any]) -> int:
    """The HTTP status of an entry of a response; 0 where it names none."""
    response = entry.get("response")
    return _number(str(response.get("status", ""))[:3]) if isinstance(response, dict) else 0


def bundle_verdicts(changes: Sequence[Any], body: Any) -> dict[str, Verdict]:
    """The verdict on every change of a bundle, by reference; what no entry tells is unknown.

    A transaction that was carried out entry by entry is judged so. Raises ProtocolError when the
    answer is no response to a transaction or batch.
    """
    entries = entries_of(body, "transaction-response", "batch-response")
    places = {change.place or change.reference: change.reference for change in changes}
    verdicts: dict[str, Verdict] = {}
    nameless = []
    for entry in entries:
        verdict = entry_verdict(entry)
        reference = places.get(verdict.place or "")
        if reference is not None:
            verdicts[reference] = verdict
        else:
            nameless.append(verdict)
    left = [change for change in changes if change.reference not in verdicts]
    if left and len(entries) == len(changes) and _in_order(changes, entries, verdicts):
        # every entry that names itself stands where it was asked: the others do too
        for change, verdict in zip(left, nameless, strict=True):
            verdicts[change.reference] = (
                _of_deletion(verdict) if change.action == "delete" else verdict
            )
    return {c.reference: verdicts.get(c.reference, UNKNOWN) for c in changes}


def _of_deletion(verdict: Verdict) -> Verdict:
    """What is deleted has no place to name; what is gone already is done too."""
    done = 200 <= verdict.status < 300 or verdict.status in GONE
    return Verdict("done", verdict.status) if done else verdict


def _in_order(
    changes: Sequence[Any], entries: Sequence[dict[str, Any]], verdicts: dict[str, Verdict]
) -> bool:
    for change, entry in zip(changes, entries, strict=True):
        place, _ = location(entry)
        if place is not None and place != (change.place or change.reference):
            return False
        if place is None and change.reference in verdicts:
            return False
    return True


def entry_verdict(entry: dict[str, Any]) -> Verdict:
    """The verdict of one entry of a response; its place and version where it names them."""
    response = entry.get("response")
    response = response if isinstance(response, dict) else {}
    place, version = location(entry)
    status, outcome = _judged(str(response.get("status", ""))[:3])
    found = version or etag(response.get("etag"))
    stated = response.get("outcome")
    said = None if outcome == "done" else said_of(stated)
    if outcome == "done" and place is None and status != 204:
        outcome = "unknown"
    return Verdict(outcome, status, found, place, issue_codes(stated), said)


@lru_cache(maxsize=1_000)
def _judged(text: str) -> tuple[int, str]:
    status = _number(text)
    return status, judged(status)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def judged(status: int) -> str:
    """The class of an HTTP status: done, unknown, conflict, forbidden or refused."""
    if 200 <= status < 300:
        return "done"
    if status in CONFLICT:
        return "conflict"
    if status in (401, 403):
        return "forbidden"
    if status in BUSY or status >= 500 or status < 400:
        return "unknown"
    return "refused"


def location(entry: dict[str, Any]) -> tuple[str | None, str | None]:
    """``Type/id`` and version of an entry, by its location or else by its resource."""
    response = entry.get("response")
    text = response.get("location") if isinstance(response, dict) else None
    if isinstance(text, str) and text:
        return place_of(text)
    resource = entry.get("resource")
    if isinstance(resource, dict) and resource.get("resourceType") != "OperationOutcome":
        kind, given = resource.get("resourceType"), resource.get("id")
        if isinstance(kind, str) and isinstance(given, str):
            return f"{kind}/{given}", version_of(resource)
    return None, None


def place_of(text: str) -> tuple[str | None, str | None]:
    """``Type/id`` and version of a location, relative or absolute."""
    kind, _, rest = text.partition("/")
    given, _, version = rest.partition("/_history/")
    if version and kind[:1].isupper() and not ("/" in given or "/" in version or "?" in version):
        return f"{kind}/{given}", version
    return _place_of_any(text)


def _place_of_any(text: str) -> tuple[str | None, str | None]:
    parts = text.split("?")[0].rstrip("/").split("/")
    version = None
    if len(parts) >= 4 and parts[-2] == "_history":
        version = parts[-1]
        parts = parts[:-2]
    if len(parts) < 2 or not parts[-2][:1].isupper():
        return None, version
    return "/".join(parts[-2:]), version


def version_of(resource: dict[str, Any]) -> str | None:
    """``meta.versionId`` of a resource."""
    meta = resource.get("meta")
    found = meta.get("versionId") if isinstance(meta, dict) else None
    return str(found) if found else None


def etag(text: Any) -> str | None:
    """The version inside an ETag, weak or strong, quoted once, twice or not at all."""
    if not isinstance(text, str):
        return None
    return text.strip().removeprefix("W/").strip('"\\') or None


def issue_codes(outcome: Any) -> tuple[str, ...]:
    """The issue codes and places of an OperationOutcome, at most five; anything else says nothing.

    What a server writes in words counts as values, and is left out.
    """
    issues = outcome.get("issue") if isinstance(outcome, dict) else None
    if not isinstance(issues, list):
        return ()
    said = []
    for issue in issues:
        code = issue.get("code") if isinstance(issue, dict) else None
        if isinstance(code, str) and code.isascii() and len(code) < 40:
            said.append(code)
    return (*said[:5], f"and {len(said) - 5} more") if len(said) > 5 else tuple(said)
