"""Diagnosis -> Condition.  https://hl7.org/fhir/R4/condition.html"""

from __future__ import annotations

from mappings.context import Context, Resource
from mappings.entities import Diagnosis

# A condition that has ended cannot be active (con-4).
ENDED = {"active": "resolved", "recurrence": "resolved", "relapse": "resolved"}


def condition(diagnosis: Diagnosis, to: Context) -> Resource:
    """A diagnosis of a subject; its rank among others stands in the visit's Encounter."""
    status = diagnosis.status
    kind = "problem-list-item" if diagnosis.role == "comorbidity" else "encounter-diagnosis"
    return to.resource(
        "Condition",
        key=diagnosis.key,
        clinicalStatus={
            "coding": [
                to.coding(
                    "condition-clinical",
                    ENDED.get(status, status) if diagnosis.ended else status,
                )
            ]
        },
        category=[
            {"coding": [to.coding("condition-category", kind)]},
            {"coding": [to.coding("diagnosis-role", diagnosis.role)]},
        ],
        severity=diagnosis.severity and to.coded("condition-severity", diagnosis.severity),
        code=to.coded("diagnosis", diagnosis.term),
        subject=to.reference("Patient", diagnosis.subject),
        encounter=diagnosis.visit and to.reference("Encounter", diagnosis.visit),
        onsetDateTime=diagnosis.onset,
        abatementDateTime=diagnosis.ended,
        recordedDate=diagnosis.recorded,
    )
