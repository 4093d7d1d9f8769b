"""FHIR datatypes that several mappings need."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mappings.context import Context, Resource, fields

UCUM = "http://unitsofmeasure.org"
OF_STUDY = "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy"
SUPPORTING = "http://hl7.org/fhir/StructureDefinition/workflow-supportingInfo"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def quantity(
    value: Decimal | None, unit: str | None, comparator: str | None = None
) -> Resource | None:
    """A UCUM Quantity, or None without a value."""
    if value is None:
        return None
    return fields(value=value, comparator=comparator, unit=unit, system=unit and UCUM, code=unit)


def period(start: str | None, end: str | None = None) -> Resource | None:
    """A Period, or None when neither end is known."""
    return fields(start=start, end=end) or None


def timed(element: str, start: str | None, end: str | None = None) -> dict[str, Any]:
    """A choice of dateTime and Period, such as ``effective[x]``: a Period once the end is known."""
    if end:
        return {f"{element}Period": period(start, end)}
    return {f"{element}DateTime": start}


def concepts(to: Context, table: str, term: str) -> list[Resource]:
    """One CodeableConcept for each row of a term, for elements that take several concepts."""
    return to.shared(
        ("concepts", table, term),
        lambda: [{"coding": [row.coding()]} for row in to.tables[table].rows(term)],
    )


def in_study(to: Context) -> list[Resource]:
    """The extension that says which study a resource was recorded for.

    Allowed on Encounter, Observation, Procedure, MedicationAdministration, DiagnosticReport,
    QuestionnaireResponse and Consent; https://hl7.org/fhir/R4/extension-workflow-researchstudy.html
    """
    return to.shared(
        ("in-study",),
        lambda: [{"url": OF_STUDY, "valueReference": to.reference("ResearchStudy", to.study)}],
    )


def typed_identifier(to: Context, term: str, identifier: Resource) -> Resource:
    """An identifier with its type, a term of ``identifier-type.csv``."""
    return {"type": {"coding": [to.coding("identifier-type", term)]}, **identifier}


def arm_link(to: Context, arm: str) -> str:
    """The link id of an arm, by its name: R5's ``ResearchStudy.comparisonGroup.linkId``."""
    return to.id("ResearchStudy", (*to.study, arm), "arm")
