"""Consent -> Consent, one for the guardian and one for the child's assent.

https://hl7.org/fhir/R4/consent.html: ``policyRule`` or ``policy`` is needed (ppc-1).
"""

from __future__ import annotations

from mappings.context import Context, Resource, fields
from mappings.entities import Consent
from mappings.values import TERMINOLOGY, in_study, period

SCOPE = {"system": f"{TERMINOLOGY}/consentscope", "code": "research", "display": "Research"}
CATEGORIES = (
    {"system": "http://loinc.org", "code": "59284-0", "display": "Patient Consent"},
    {
        "system": f"{TERMINOLOGY}/consentcategorycodes",
        "code": "research",
        "display": "Research Information Access",
    },
)
PURPOSE = {
    "system": f"{TERMINOLOGY}/v3-ActReason",
    "code": "HRESCH",
    "display": "healthcare research",
}


def consents(consent: Consent, to: Context) -> list[Resource]:
    """The guardian's informed consent, and the child's assent when the child was asked."""
    guardian = consent.guardian and to.reference("RelatedPerson", consent.key)
    found = [_consent(consent, to, consent.decision, guardian)]
    if consent.assent:
        child = to.reference("Patient", consent.subject)
        found.append(_consent(consent, to, consent.assent, child, kind="assent"))
    return found


def _consent(
    consent: Consent,
    to: Context,
    decision: str,
    performer: Resource | str | None,
    kind: str | None = None,
) -> Resource:
    what = "Assent of the child" if kind else "Informed consent"
    return to.resource(
        "Consent",
        key=consent.key,
        kind=kind,
        extension=in_study(to),
        status="inactive" if consent.withdrawn else "active",
        scope={"coding": [SCOPE]},
        category=[{"coding": [each]} for each in CATEGORIES],
        patient=to.reference("Patient", consent.subject),
        dateTime=consent.date,
        performer=[performer] if performer else None,
        policyRule={"text": f"{what} to take part in study {to.study[0]}"},
        provision=fields(
            type=decision,
            period=period(consent.date, consent.withdrawn),
            purpose=[PURPOSE],
        ),
    )
