"""Treatment -> MedicationAdministration.

https://hl7.org/fhir/R4/medicationadministration.html: a dosage has a dose or a rate (mad-1).
"""

from __future__ import annotations

from typing import Any

from mappings.context import Context, Resource, fields
from mappings.entities import Treatment
from mappings.medication import product_key
from mappings.values import ABSENT, in_study, quantity, timed


def medication_administration(treatment: Treatment, to: Context) -> Resource:
    """One administration or course of a drug; dose and rate in UCUM units."""
    return to.resource(
        "MedicationAdministration",
        key=treatment.key,
        extension=in_study(to),
        status=treatment.status,
        **_medication(treatment, to),
        subject=to.reference("Patient", treatment.subject),
        context=treatment.visit and to.reference("Encounter", treatment.visit),
        **timed("effective", treatment.start, treatment.end),
        dosage=_dosage(treatment, to),
    )


def _medication(treatment: Treatment, to: Context) -> dict[str, Any]:
    """An investigational product has a Medication; another drug's batch is contained."""
    if treatment.drug in to.tables["product"]:
        key = product_key(treatment.drug, treatment.batch)
        return {"medicationReference": to.reference("Medication", key)}
    code = to.coded("drug", treatment.drug)
    if treatment.batch is None:
        return {"medicationCodeableConcept": code}
    batch = {"lotNumber": treatment.batch}
    contained = {"resourceType": "Medication", "id": "drug", "code": code, "batch": batch}
    return {"contained": [contained], "medicationReference": {"reference": "#drug"}}


def _dosage(treatment: Treatment, to: Context) -> Resource:
    dosage = fields(
        route=treatment.route and to.coded("route", treatment.route),
        dose=quantity(treatment.dose, treatment.unit),
        rateQuantity=quantity(treatment.rate, treatment.rate_unit),
    )
    if dosage.keys() == {"route"}:
        dosage["dose"] = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    return dosage
