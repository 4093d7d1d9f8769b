"""Consent -> Consent, one for the guardian and one for the child's assent.

https://hl7.org/fhir/R4/consent.html: ``policyRule`` or ``policy`` is needed (ppc-1).
https://hl7.org/fhir/R5/consent.html: no scope; the decision stands on top, grantors give it.
What the guardian's consent excludes is a provision within: an exception to the one around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mappings.context import Context, Resource, fields
from mappings.entities import Consent
from mappings.values import concepts, in_study, period

DAY = len("2024-01-31")
INFORMED = "Informed consent"
EXCLUDED = {"code": "genetics", "action": "export"}


@dataclass(frozen=True, slots=True)
class _Given:
    """One decision: who gave it, and in words to what."""

    consent: Consent
    decision: str
    by: Resource | str | None
    what: str

    @property
    def period(self) -> Resource | None:
        """From its date until it was withdrawn or expires, whichever is first."""
        ends = [end for end in (self.consent.withdrawn, self.consent.expires) if end]
        return period(self.consent.date, min(ends, default=None))


def consents(consent: Consent, to: Context) -> list[Resource]:
    """The guardian's informed consent, and the child's assent when the child was asked."""
    guardian = consent.guardian and to.reference("RelatedPerson", consent.key)
    found = [_consent(_Given(consent, consent.decision, guardian, INFORMED), to)]
    if consent.assent:
        child = to.reference("Patient", consent.subject)
        given = _Given(consent, consent.assent, child, "Assent of the child")
        found.append(_consent(given, to, kind="assent"))
    return found


def _consent(given: _Given, to: Context, kind: str | None = None) -> Resource:
    consent = given.consent
    return to.resource(
        "Consent",
        key=consent.key,
        kind=kind,
        extension=in_study(to),
        # A refusal is an active Consent that denies: it is to be followed. R4's status ``rejected``
        # would say that nobody agreed to this very rule, and R5's ``not-done`` that none was made.
        status="inactive" if consent.withdrawn else "active",
        category=concepts(to, "consent-category", "consent"),
        **SHAPES[to.release](given, to),
    )


def _r4(given: _Given, to: Context) -> dict[str, Any]:
    return {
        "scope": {"coding": [to.coding("consent-scope", "research")]},
        "patient": to.reference("Patient", given.consent.subject),
        "dateTime": given.consent.date,
        "performer": [given.by] if given.by else None,
        "policyRule": _policy(given, to),
        "provision": fields(
            type_=given.decision,
            **_provision(given, to),
            provision=[{"type": "deny", **each} for each in _excluded(given, to)],
        ),
    }


def _r5(given: _Given, to: Context) -> dict[str, Any]:
    return {
        "subject": to.reference("Patient", given.consent.subject),
        "date": given.consent.date[:DAY],
        "period": given.period,
        "grantor": [given.by] if given.by else None,
        "regulatoryBasis": [_policy(given, to)],
        "policyBasis": {"reference": to.reference("ResearchStudy", to.study)},
        "decision": given.decision,
        "provision": [fields(**_provision(given, to), provision=_excluded(given, to))],
    }


SHAPES: Mapping[str, Callable[[_Given, Context], dict[str, Any]]] = {
    "R4": _r4,
    "R4B": _r4,
    "R5": _r5,
}


def _policy(given: _Given, to: Context) -> Resource:
    return {"text": f"{given.what} to take part in study {to.study[0]}"}


def _provision(given: _Given, to: Context) -> Resource:
    return fields(
        period=given.period,
        purpose=[to.coding("consent-purpose", "research")],
    )


def _excluded(given: _Given, to: Context) -> list[Resource]:
    """What a consent denies of what it permits: a content (``code``) or an ``action``.

    What is permitted apart needs no provision of its own: the one around it says so.
    """
    consent = given.consent
    if given.decision == "deny" or given.what != INFORMED:
        return []
    denied = {"code": consent.genetics == "deny", "action": consent.export == "deny"}
    return [
        {element: [to.coded("consent-exclusion", EXCLUDED[element])]}
        for element, is_denied in denied.items()
        if is_denied
    ]
