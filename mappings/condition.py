"""Diagnosis -> Condition; the elements it uses are the same in R4, R4B and R5.

https://hl7.org/fhir/R4/condition.html  https://hl7.org/fhir/R5/condition.html
"""

from __future__ import annotations

from mappings.context import Context, Resource
from mappings.entities import Diagnosis
from mappings.values import concepts

# A condition that has ended cannot be active (con-4).
ENDED = {
    "active": "resolved",
    "recurrence": "resolved",
    "relapse": "resolved",
    "unknown": "resolved",
}


def condition(diagnosis: Diagnosis, to: Context) -> Resource:
    """A diagnosis of a subject; its role in a visit stands in the visit's Encounter."""
    status = diagnosis.status
    if diagnosis.ended:
        status = ENDED.get(status, status)
    return to.resource(
        "Condition",
        key=diagnosis.key,
        clinicalStatus={"coding": [to.coding("condition-clinical", status)]},
        verificationStatus=diagnosis.verification
        and {"coding": [to.coding("condition-verification", diagnosis.verification)]},
        category=_category(diagnosis, to),
        severity=diagnosis.severity and to.coded("condition-severity", diagnosis.severity),
        code=to.coded("diagnosis", diagnosis.term),
        subject=to.reference("Patient", diagnosis.subject),
        encounter=diagnosis.visit and to.reference("Encounter", diagnosis.visit),
        onsetDateTime=diagnosis.onset,
        abatementDateTime=diagnosis.ended,
        recordedDate=diagnosis.recorded,
    )


def _category(diagnosis: Diagnosis, to: Context) -> list[Resource]:
    """Problem or encounter diagnosis; without a visit also the role, which nothing else holds."""
    kind = "problem-list-item" if diagnosis.role == "comorbidity" else "encounter-diagnosis"
    roles = [] if diagnosis.visit else concepts(to, "diagnosis-role", diagnosis.role)
    return [*concepts(to, "condition-category", kind), *roles]
