"""What may come in: each resource is judged before it is kept.

Kept is what is of a child of the cohort and can be understood: a modifier that we do not know may
turn the meaning round, so such a resource is not half read.
https://hl7.org/fhir/R4/extensibility.html#modifierExtension
https://hl7.org/fhir/R4/resource-definitions.html#Resource.implicitRules
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from adapter.fhir.json import dumps

KEPT, DROPPED, SKIPPED, IN_ERROR = "kept", "dropped", "skipped", "in-error"
SUBJECTS = ("subject", "patient", "beneficiary", "individual", "for")  # whose a resource is
STATUSES = ("status", "docStatus")
OUTSIDER = ""
_PATIENT = re.compile(r"Patient/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?")
_WRONG = "entered-in-error"


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """A resource as it came in, with the verdict on it and, where it is not kept, the reason."""

    type: str
    id: str
    verdict: str
    reason: str = ""
    version: str | None = None
    updated: str | None = None
    patient: str = OUTSIDER
    content: bytes = b""
    digest: str = ""
    replaced_by: str | None = None


class Sieve:
    """Judges the resources of one server for one cohort: the ids of its Patients there."""

    def __init__(self, base_url: str, patients: Collection[str]):
        self._base = f"{base_url}/"
        self.patients = set(patients)

    def judge(
        self, resource: dict[str, Any], wanted: str | None = None, asked: str = OUTSIDER
    ) -> Found:
        """The verdict on one resource.

        ``wanted`` is the type that was asked for, ``asked`` the patient that it was asked of:
        what names no patient at all is kept as that one's.
        """
        kind, id_ = str(resource.get("resourceType")), resource.get("id")
        if wanted is not None and kind != wanted:
            return Found(wanted or kind, "", DROPPED, "of another type than was asked for")
        if not isinstance(id_, str) or not id_:
            return Found(kind, "", SKIPPED, "it has no id")
        content = _written(resource)  # first: it also bounds how deep all else has to look
        if content is None:
            return Found(kind, id_, SKIPPED, "it cannot be written as JSON")
        found = self._owners(resource)
        if not found <= self.patients:
            return Found(kind, id_, DROPPED, "of a patient outside the cohort")
        meta = resource.get("meta")
        meta = meta if isinstance(meta, dict) else {}
        reason = next(_strange(resource), "")
        verdict = SKIPPED if reason else IN_ERROR if _is_in_error(resource) else KEPT
        return Found(
            kind,
            id_,
            verdict,
            reason,
            version=_text(meta.get("versionId")),
            updated=_text(meta.get("lastUpdated")),
            patient=min(found, default=asked),
            content=content,
            digest=hashlib.sha256(content).hexdigest(),
            replaced_by=_replaced_by(resource),
        )

    def _owners(self, resource: dict[str, Any]) -> set[str]:
        """The ids of the Patients that it belongs to; ``OUTSIDER`` for one that nobody can tell."""
        if resource.get("resourceType") == "Patient":
            return {str(resource["id"])}
        stated = [each for name in SUBJECTS for each in _references(resource.get(name))]
        if any(_is_untold(each, resource) for each in stated):
            return {OUTSIDER}
        owners = {self._patient(each) for each in stated} - {None}
        if not owners:
            owners = {self._patient(each) for each in _all_references(resource)} - {None}
        return {owner for owner in owners if owner is not None}

    def _patient(self, reference: dict[str, Any]) -> str | None:
        """The id of a Patient of this server, ``OUTSIDER`` for another, None for other things."""
        literal = reference.get("reference")
        if not isinstance(literal, str):
            logical = reference.get("type") == "Patient" and "identifier" in reference
            return OUTSIDER if logical else None
        if match := _PATIENT.fullmatch(literal.removeprefix(self._base)):
            return match[1]
        return OUTSIDER if re.search(r"(^|/)Patient/", literal) else None


def _is_untold(subject: dict[str, Any], resource: dict[str, Any]) -> bool:
    """Whether a resource says whose it is in a way that leads to no Patient of the server."""
    literal = str(subject.get("reference", ""))
    inside = {f"#{each.get('id')}" for each in _references(resource.get("contained"))
              if each.get("resourceType") == "Patient"}  # fmt: skip
    return literal.startswith("urn:") or literal in inside


def _references(value: Any) -> Iterator[dict[str, Any]]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict):
            yield each


def _all_references(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value
        for each in value.values():
            yield from _all_references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _all_references(each)


def _strange(value: Any) -> Iterator[str]:
    """What says that a resource means something else than it seems to."""
    if isinstance(value, dict):
        if "implicitRules" in value:
            yield "implicitRules"
        if value.get("modifierExtension"):
            yield "modifierExtension"
        for each in value.values():
            yield from _strange(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strange(each)


def _is_in_error(resource: dict[str, Any]) -> bool:
    verification = resource.get("verificationStatus")
    codings = verification.get("coding") if isinstance(verification, dict) else None
    codes = [coding.get("code") for coding in _references(codings)]
    return _WRONG in codes or any(resource.get(name) == _WRONG for name in STATUSES)


def _replaced_by(resource: dict[str, Any]) -> str | None:
    """The Patient that stands for this one since they were merged."""
    if resource.get("resourceType") != "Patient":
        return None
    for link in _references(resource.get("link")):
        if link.get("type") == "replaced-by":
            other = link.get("other")
            return (_text(other.get("reference")) if isinstance(other, dict) else None) or "unknown"
    return None


def _written(resource: dict[str, Any]) -> bytes | None:
    try:
        return dumps(resource)
    except (TypeError, ValueError):
        return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
