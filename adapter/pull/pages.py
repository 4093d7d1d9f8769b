"""One page of a search: its resources, where the next page is, and the server's time.

https://hl7.org/fhir/R4/bundle.html#searchset
"""

from __future__ import annotations

import datetime as dt
import email.utils
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapter.errors import ProtocolError
from adapter.fhir.json import dumps
from adapter.fhir.links import next_link
from adapter.fhir.transport import Answer


@dataclass(frozen=True, slots=True, repr=False)
class Page:
    """The resources of a page; ``fingerprint`` is equal for pages with the same versions."""

    resources: list[dict[str, Any]]
    next: str | None
    fingerprint: str


def page_of(answer: Answer) -> Page:
    """A page as it was answered. Raises ProtocolError for anything but a Bundle of a search."""
    body = answer.body
    if not isinstance(body, dict) or body.get("resourceType") != "Bundle":
        raise ProtocolError("the answer to a search is no Bundle")
    entries = body.get("entry", [])
    if not isinstance(entries, list):
        raise ProtocolError("the answer to a search is no Bundle of entries")
    resources = list(_matches(entries))
    versions = sorted(dumps(_version(each)).decode() for each in resources)
    return Page(resources, next_link(body.get("link")), "".join(versions))


def _matches(entries: list[Any]) -> Iterator[dict[str, Any]]:
    """What was searched for: neither what was included beside it nor what a server remarks."""
    for entry in entries:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            raise ProtocolError("an entry of the answer holds no resource")
        search = entry.get("search")
        mode = search.get("mode") if isinstance(search, dict) else None
        is_remark = resource.get("resourceType") == "OperationOutcome"
        if not is_remark and mode not in ("include", "outcome"):
            yield resource


def _version(resource: dict[str, Any]) -> list[str]:
    meta = resource.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    parts = (resource.get("resourceType"), resource.get("id"),
             meta.get("versionId"), meta.get("lastUpdated"))  # fmt: skip
    return [str(part).encode("ascii", "backslashreplace").decode() for part in parts]


def moment_of(answer: Answer, overlap: float) -> str | None:
    """The server's time of an answer, ``overlap`` seconds back, as a FHIR instant.

    The earlier of the ``Date`` header and the Bundle's own time, since an answer may come from a
    cache; None where the server says neither.
    """
    body = answer.body if isinstance(answer.body, dict) else {}
    meta = body.get("meta")
    stated = meta.get("lastUpdated") if isinstance(meta, dict) else None
    moments = [_header(answer.headers.get("date", "")), instant(stated)]
    return earlier(min((each for each in moments if each is not None), default=None), overlap)


def earlier(moment: dt.datetime | None, overlap: float) -> str | None:
    """A moment, so many seconds back, as a FHIR instant in UTC."""
    if moment is None:
        return None
    try:
        back = moment.astimezone(dt.UTC) - dt.timedelta(seconds=overlap)
    except OverflowError:  # the first day of the calendar
        return None
    return back.strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(text: Any) -> dt.datetime | None:
    """A FHIR instant, or None for what is none."""
    try:
        moment = dt.datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def _header(text: str) -> dt.datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
