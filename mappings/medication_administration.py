"""Treatment -> MedicationAdministration.

https://hl7.org/fhir/R4/medicationadministration.html: a dosage has a dose or a rate (mad-1).
https://hl7.org/fhir/R5/medicationadministration.html: the element is spelt ``occurence[x]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mappings.context import Context, Resource, fields
from mappings.entities import Treatment
from mappings.medication import product_key
from mappings.values import ABSENT, in_study, period, quantity, timed

REDUCED = (
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationAdministration.subPotentReason"
)


def medication_administration(treatment: Treatment, to: Context) -> Resource:
    """One administration or course of a drug; dose and rate in UCUM units."""
    return to.resource(
        "MedicationAdministration",
        key=treatment.key,
        status=treatment.status or "completed",
        subject=to.reference("Patient", treatment.subject),
        dosage=_dosage(treatment, to),
        **SHAPES[to.release](treatment, to),
    )


def _r4(treatment: Treatment, to: Context) -> dict[str, Any]:
    reduced = _reduced(treatment, to)
    concept, reference, contained = _medication(treatment, to)
    return {
        "extension": [
            *in_study(to),
            *({"url": REDUCED, "valueCodeableConcept": reason} for reason in reduced),
        ],
        "contained": contained,
        "medicationCodeableConcept": concept,
        "medicationReference": reference,
        "context": treatment.visit and to.reference("Encounter", treatment.visit),
        **_when("effective", treatment),
    }


def _r5(treatment: Treatment, to: Context) -> dict[str, Any]:
    reduced = _reduced(treatment, to)
    concept, reference, contained = _medication(treatment, to)
    return {
        "extension": in_study(to),
        "contained": contained,
        "medication": fields(concept=concept, reference=reference),
        "encounter": treatment.visit and to.reference("Encounter", treatment.visit),
        **_when("occurence", treatment),
        "isSubPotent": True if reduced else None,
        "subPotentReason": reduced,
    }


SHAPES: Mapping[str, Callable[[Treatment, Context], dict[str, Any]]] = {
    "R4": _r4,
    "R4B": _r4,
    "R5": _r5,
}


def _when(element: str, treatment: Treatment) -> dict[str, Any]:
    """One dose has a moment, a course a period: one in progress is open at its end."""
    if treatment.status == "in-progress" and not treatment.end:
        return {f"{element}Period": period(treatment.start)}
    return timed(element, treatment.start, treatment.end)


def _medication(
    treatment: Treatment, to: Context
) -> tuple[Resource | None, Resource | None, list[Resource]]:
    """Concept or reference, and what is contained.

    An investigational product has a Medication; another drug's batch is contained.
    """
    if treatment.drug in to.tables["product"]:
        key = product_key(treatment.drug, treatment.batch)
        return None, to.reference("Medication", key), []
    code = to.coded("drug", treatment.drug)
    if treatment.batch is None:
        return code, None, []
    batch = {"lotNumber": treatment.batch}
    contained = {"resourceType": "Medication", "id": "drug", "code": code, "batch": batch}
    return None, {"reference": "#drug"}, [contained]


def _reduced(treatment: Treatment, to: Context) -> list[Resource]:
    """Why less than the full dose was given or had its effect."""
    return [to.coded("reduced-dose-reason", treatment.reduced)] if treatment.reduced else []


def _dosage(treatment: Treatment, to: Context) -> Resource:
    dosage = fields(
        route=treatment.route and to.coded("route", treatment.route),
        dose=quantity(treatment.dose, treatment.unit),
        rateQuantity=quantity(treatment.rate, treatment.rate_unit),
    )
    if dosage.keys() == {"route"}:
        dosage["dose"] = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    return dosage
