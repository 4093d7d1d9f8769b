"""How servers differ, as data: what real ones were seen to do, in a scripted one.

Measured on HAPI FHIR JPA 8.8.0 and Medplum's router (``tests/servers``), for the others taken from
their documentation and issue threads: see docs/servers.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STATEMENT: dict[str, Any] = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [{"mode": "server", "interaction": [{"code": "transaction"}, {"code": "batch"}]}],
}
TYPES = ("Group", "Observation", "Organization", "Patient", "ResearchStudy", "ResearchSubject")
SEARCHING: dict[str, Any] = {
    **STATEMENT,
    "rest": [
        {
            **STATEMENT["rest"][0],
            "resource": [
                {"type": each, "interaction": [{"code": "search-type"}, {"code": "update"}]}
                for each in TYPES
            ],
        }
    ],
}


@dataclass(slots=True)
class Quirks:
    """One server's ways. ``passes`` means that they end with the faults of a scenario."""

    stale: int = 412  # the status for a stale If-Match
    ignores_versions: bool = False
    keeps_identical: bool = False  # a PUT of the same content makes no version
    weak_etags: bool = True
    takes_ids: bool = True  # update as create
    no_bundles: int = 0  # the status for any Bundle
    most_entries: int = 0
    most_bytes: int = 0
    too_much: int = 413
    too_much_said: str = "too-costly"
    throttles_rest: bool = False  # after the first 429 in a bundle all later entries are 429
    takes_conditions: bool = True  # If-None-Exist; without it, every create makes another one
    searches: bool = True  # by identifier; without it, a search finds everything of a type
    transaction_is_batch: bool = False
    keeps_referenced: bool = False  # what another resource refers to cannot be deleted
    spoils_entry: dict[int, int] = field(default_factory=dict)  # number of the entry: status, once
    answers: str = "all"  # all | fewer | more | reordered | none
    refused: Mapping[str, int] = field(default_factory=dict)  # type or Type/id: status
    refused_once: dict[str, int] = field(default_factory=dict)  # the same, the first time alone
    said: Any = None  # the body of a refusal, where it is no OperationOutcome of one issue
    drops: str = ""  # an element that it does not keep
    capability: Any = field(default_factory=lambda: STATEMENT)
    passes: bool = False

    def refuses(self, place: str, resource: dict[str, Any]) -> int:
        """The status it refuses this with, or 0; and what it silently leaves out."""
        if self.drops:
            resource.pop(self.drops, None)
        kind = place.partition("/")[0]
        once = self.refused_once.pop(kind, 0)
        return once or self.refused.get(place) or self.refused.get(kind, 0)

    def rearranged(self, entries: list[Any]) -> list[Any] | None:
        """The entries of an answer as this server gives them."""
        if self.answers == "fewer" and "resource" not in str(entries[:1]):
            return entries[:-1]
        if self.answers == "none":
            return None
        if self.answers == "more":
            return [*entries, {"response": {"status": "200 OK"}}]
        return entries[::-1] if self.answers == "reordered" else entries


HAPI = Quirks(
    stale=409,
    keeps_identical=True,
    weak_etags=False,
    answers="reordered",
    keeps_referenced=True,
)
BLAZE = Quirks(stale=412, keeps_identical=True)
AZURE = Quirks(most_entries=5, too_much=400, too_much_said="invalid", throttles_rest=True)
MEDPLUM = Quirks(transaction_is_batch=True, spoils_entry={2: 429, 3: 429})
# a PUT to a deleted id restores it there, as here
ORACLE = Quirks(most_entries=25, stale=409, transaction_is_batch=True)
EPIC = Quirks(no_bundles=403, takes_ids=False)
