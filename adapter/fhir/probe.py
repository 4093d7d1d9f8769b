"""What a server does with versions and conditions, tried on one resource that is thrown away.

Servers say little of it, and some ignore what they accept: HAPI overwrites in spite of
``If-None-Match: *``. https://hl7.org/fhir/R4/http.html#concurrency
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from adapter.errors import StudyFhirError
from adapter.fhir.json import dumps, equal
from adapter.fhir.transport import Answer, Transport
from adapter.fhir.writing import CONFLICT, GONE, etag, place_of, status_of, version_of

Resource = dict[str, Any]
YES, NO, UNCLEAR = "yes", "no", "unclear"
TYPES = ("Basic", "Library")  # what no server acts on; the first that it takes
WRITTEN = (200, 201)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing tried: ``answer`` yes, no or unclear, ``status`` of the request that told."""

    name: str
    question: str
    answer: str
    status: int
    needed: bool = False  # a push is not safe without it


@dataclass(slots=True)
class Probed:
    """What the probe found; ``left`` names what could not be deleted again."""

    findings: list[Finding] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def is_refused(self) -> bool:
        """Whether the server took nothing at all."""
        return all(finding.answer == NO for finding in self.findings)

    @property
    def lacks(self) -> list[Finding]:
        """What a push needs and the server does not do."""
        return [each for each in self.findings if each.needed and each.answer != YES]

    def to_json(self) -> dict[str, Any]:
        """Questions, answers and statuses."""
        return {"findings": [asdict(each) for each in self.findings], "left": self.left}


def probe(transport: Transport, system: str, study: str) -> Probed:
    """Write, change and delete one throw-away resource, tagged ``system|study``.

    Whatever happens, what was written is deleted again. Raises what the transport raises.
    """
    tried = _Probe(transport, {"system": system, "code": study})
    try:
        tried.run()
    finally:
        tried.clear()
    return tried.result


class _Probe:
    def __init__(self, transport: Transport, tag: dict[str, str]):
        self.transport, self.tag = transport, tag
        self.result = Probed()
        self.places: list[str] = []  # what may be on the server
        self.type = TYPES[0]
        self.id = _new_id()
        self.system = f"{tag['system']}-probe"

    def run(self) -> None:
        place = self._create()
        if place is None:
            return
        self._versions(place)
        self._conditions(place)
        self._bundles(place)
        self._deletes(place)

    def clear(self) -> None:
        """Delete what is there; what stays is named in the result."""
        for place in reversed(self.places):
            with suppress(StudyFhirError):
                self.transport.exchange("DELETE", place, None)
                if self.transport.exchange("GET", place, None).status in GONE:
                    continue
            self.result.left.append(place)

    # --- one question after the other ---

    def _create(self) -> str | None:
        """PUT with an id of ours, else a conditional create; the place, or None."""
        answer = self._put(f"{self.type}/{self.id}", self._resource(self.id, 1))
        if answer.status not in WRITTEN and answer.status != 405:
            self.type = TYPES[1]
            answer = self._put(f"{self.type}/{self.id}", self._resource(self.id, 1))
        own = answer.status in WRITTEN
        self._found("update-as-create", "PUT with an id of ours creates", own, answer)
        if own:
            return f"{self.type}/{self.id}"
        answer = self._create_if_none(self._resource(self.id, 1))
        created = answer.status == 201
        self._found("create", "it creates with an id of its own", created, answer, needed=True)
        place, _ = place_of(answer.headers.get("location", ""))
        return place if created else None

    def _versions(self, place: str) -> None:
        first = self._version(place)
        before = self._sent(place, 1)
        self._found_equal("content", "what is written is read back alike", before, place)
        answer = self._put(place, before)
        same = answer.status in WRITTEN and self._version(place) == first
        self._found("unchanged", "writing the same again makes no new version", same, answer)
        now = self._version(place)
        answer = self._put(place, self._sent(place, 2), {"If-Match": f'W/"{now}"'})
        right = answer.status in WRITTEN
        self._found("if-match", "the right If-Match lets an update in", right, answer, needed=True)
        answer = self._put(place, self._sent(place, 3), {"If-Match": f'W/"{now}"'})
        kept = self._holds(place, 2)
        stale = answer.status in CONFLICT and kept
        self._found(
            "if-match-stale", "a stale If-Match is refused (PUT)", stale, answer, needed=True
        )

    def _conditions(self, place: str) -> None:
        answer = self._put(place, self._sent(place, 4), {"If-None-Match": "*"})
        refused = answer.status in CONFLICT and not self._holds(place, 4)
        self._found("if-none-match", "If-None-Match: * keeps what is there", refused, answer)
        answer = self._create_if_none(self._resource(_new_id(), 5))
        if answer.status == 201:  # a duplicate
            other, _ = place_of(answer.headers.get("location", ""))
            self.places += [other] if other else []
        found = answer.status == 200
        self._found("if-none-exist", "If-None-Exist finds what is there", found, answer)

    def _bundles(self, place: str) -> None:
        """Transactions: taken at all, versions inside them, all or nothing."""
        now = self._version(place)
        answer = self._transaction([self._entry(place, self._sent(place, 6), now)])
        taken = answer.status == 200 and self._holds(place, 6)
        self._found("transaction", "a transaction updates", taken, answer)
        if not taken:
            return
        answer = self._transaction([self._entry(place, self._sent(place, 7), now)])
        said = answer.status if answer.status != 200 else _first_status(answer)
        refused = 400 <= said < 500 and self._holds(place, 6)
        self._found(
            "if-match-bundle", "a stale If-Match is refused (transaction)", refused, answer,
            needed=True,
        )  # fmt: skip
        other = f"{self.type}/{_new_id()}"
        self.places.append(other)
        broken = self._entry("NoSuchType/x1", {"resourceType": "NoSuchType", "id": "x1"})
        answer = self._transaction([self._entry(other, self._sent(other, 8)), broken])
        rolled_back = self._read(other) is None
        self._found("rollback", "a transaction with a bad entry does nothing", rolled_back, answer)
        if rolled_back:
            self.places.remove(other)

    def _deletes(self, place: str) -> None:
        answer = self.transport.exchange("DELETE", place, None)
        gone = 200 <= answer.status < 300 and self._read(place) is None
        self._found("delete", "what is deleted is gone", gone, answer, needed=True)
        if gone:
            self.places.remove(place)

    # --- how it is asked ---

    def _put(self, place: str, resource: Resource, headers: dict[str, str] | None = None) -> Answer:
        if place not in self.places:
            self.places.append(place)
        answer = self.transport.exchange("PUT", place, dumps(resource), headers)
        if answer.status in (400, 403, 404, 405, 422) and self._read(place) is None:
            self.places.remove(place)
        return answer

    def _create_if_none(self, resource: Resource) -> Answer:
        body = dumps({name: value for name, value in resource.items() if name != "id"})
        condition = {"If-None-Exist": f"identifier={self.system}|{self.id}"}
        answer = self.transport.exchange("POST", self.type, body, condition)
        place, _ = place_of(answer.headers.get("location", ""))
        if answer.status == 201 and place and place not in self.places:
            self.places.append(place)
        return answer

    def _transaction(self, entries: list[Resource]) -> Answer:
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        return self.transport.exchange("POST", "", dumps(bundle))

    def _entry(self, place: str, resource: Resource, version: str | None = None) -> Resource:
        request = {"method": "PUT", "url": place}
        if version:
            request["ifMatch"] = f'W/"{version}"'
        url = f"{self.transport.base_url}/{place}"
        return {"fullUrl": url, "resource": resource, "request": request}

    def _read(self, place: str) -> Resource | None:
        answer = self.transport.exchange("GET", place, None)
        return answer.body if answer.status == 200 and isinstance(answer.body, dict) else None

    def _version(self, place: str) -> str | None:
        answer = self.transport.exchange("GET", place, None)
        body = answer.body if isinstance(answer.body, dict) else {}
        return version_of(body) or etag(answer.headers.get("etag"))

    def _holds(self, place: str, step: int) -> bool:
        found = self._read(place)
        return found is not None and _says(found, step)

    def _sent(self, place: str, step: int) -> Resource:
        return self._resource(place.partition("/")[2], step)

    def _resource(self, resource_id: str, step: int) -> Resource:
        """https://hl7.org/fhir/R4/basic.html, https://hl7.org/fhir/R4/library.html"""
        base = {
            "resourceType": self.type,
            "id": resource_id,
            "meta": {"tag": [self.tag]},
            "identifier": [{"system": self.system, "value": self.id}],
        }
        if self.type == "Basic":
            return {**base, "code": {"text": _text(step)}}
        kind = "http://terminology.hl7.org/CodeSystem/library-type"
        coding = {"system": kind, "code": "asset-collection"}
        return {**base, "title": _text(step), "status": "draft", "type": {"coding": [coding]}}

    # --- what is found ---

    def _found_equal(self, name: str, question: str, sent: Resource, place: str) -> None:
        answer = self.transport.exchange("GET", place, None)
        alike = isinstance(answer.body, dict) and equal(sent, answer.body)
        self._found(name, question, alike, answer)

    def _found(
        self, name: str, question: str, holds: bool, answer: Answer, needed: bool = False
    ) -> None:
        unclear = not holds and (answer.status == 429 or answer.status >= 500)
        said = UNCLEAR if unclear else (YES if holds else NO)
        self.result.findings.append(Finding(name, question, said, answer.status, needed))


def _new_id() -> str:
    return f"probe-{secrets.token_hex(8)}"


def _text(step: int) -> str:
    return f"throw-away of study-fhir doctor, step {step}"


def _says(resource: Resource, step: int) -> bool:
    code = resource.get("code")
    text = code.get("text") if isinstance(code, dict) else resource.get("title")
    return bool(text == _text(step))


def _first_status(answer: Answer) -> int:
    entries = answer.body.get("entry") if isinstance(answer.body, dict) else None
    first = entries[0] if isinstance(entries, list) and entries else None
    return status_of(first) if isinstance(first, dict) else 0
