"""What a finished bulk export consists of.

https://hl7.org/fhir/uv/bulkdata/export.html#response---complete-status
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapter.errors import ProtocolError
from adapter.fhir.links import next_link
from adapter.pull.pages import instant

OUTPUT, DELETED, OUTCOME = "output", "deleted", "outcome"
# Deletions come after what is there. Until version 2 the outcomes were called errors.
KINDS = (("output", OUTPUT), ("deleted", DELETED), ("error", OUTCOME), ("outcome", OUTCOME))
TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
TYPES = {DELETED: "Bundle", OUTCOME: "OperationOutcome"}


@dataclass(frozen=True, slots=True, repr=False)
class Offered:
    """A file that a manifest offers; ``count`` is None where the server counts nothing."""

    kind: str
    type: str
    link: str
    count: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Manifest:
    """The files, whether they want our token (None: unsaid), and the server's time of it all."""

    files: list[Offered]
    needs_token: bool | None
    moment: dt.datetime | None
    has_more: bool  # further manifests, which nobody asked for


def manifest_of(body: Any) -> Manifest:
    """A manifest as it was answered. Raises ProtocolError when it is none."""
    if not isinstance(body, dict) or not isinstance(body.get("output"), list):
        raise ProtocolError(
            "the export is said to be ready, and its manifest has no output",
            hint="the next pull asks for a new export; tell the server's people",
        )
    files = [each for name, kind in KINDS for each in _files(body.get(name) or [], kind)]
    needs = body.get("requiresAccessToken")
    links = body.get("link")
    return Manifest(
        files,
        needs if isinstance(needs, bool) else None,
        instant(body.get("transactionTime")),
        next_link(links) is not None,
    )


def _files(items: Any, kind: str) -> Iterator[Offered]:
    given: list[Any] = items if isinstance(items, list) else [None]
    for item in given:
        item = item if isinstance(item, dict) else {}
        link, type_ = item.get("url"), TYPES.get(kind) or item.get("type")
        if not isinstance(link, str) or not TYPE.fullmatch(str(type_)):
            raise ProtocolError(f"the manifest has a file of {kind} without address or type")
        count = item.get("count")
        yield Offered(kind, str(type_), link, count if isinstance(count, int) else None)
