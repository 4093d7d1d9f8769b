"""Measurement -> Observation.

https://hl7.org/fhir/R4/observation.html, https://hl7.org/fhir/R4/observation-vitalsigns.html.
Codes, categories and units are those of ``codes/measurement.csv``: the code follows the unit.
"""

from __future__ import annotations

from mappings.context import Context, Resource, fields
from mappings.entities import Component, Key, Measurement
from mappings.values import ABSENT, UCUM, concepts, in_study, quantity, timed

# Our profile of a category of measurement.csv; any other category has the general one.
PROFILES = {
    "vital-signs": "vital-sign",
    "laboratory": "laboratory-observation",
    "blood-gas": "blood-gas",
    "blood-gas-saturation": "blood-gas",
    "respiratory": "respiratory-observation",
    "lung-function": "lung-function",
    "outcome": "outcome-observation",
    "microbiology": "sequencing-finding",
    "genetics": "sequencing-finding",
}
# A panel's profile asks for every member: one that was not measured says so. A member that was
# recorded alone stands in a panel too, because its profile is the panel's.
PANELS = {"blood-pressure": ("systolic", "diastolic")}
PANEL_OF = {member: panel for panel, members in PANELS.items() for member in members}
# The BMI profile of these releases asks for a value: one that is missing is a value that says why.
ALWAYS_VALUED = {"R4": (), "R4B": ("bmi",), "R5": ("bmi",)}


def observation(measurement: Measurement, to: Context, *, site: Key | None = None) -> Resource:
    """A measured or assessed value in its UCUM unit; ``site`` is the hospital that measured.

    Raises KeyError for an unknown term, ValueError for a unit that its code is not known in.
    """
    it = measurement
    category = to.tables["measurement"].rows(it.code)[0].category
    return to.resource(
        "Observation",
        key=it.key,
        profile=PROFILES.get(category, "observation"),
        extension=in_study(to),
        partOf=[to.reference("Procedure", it.support)] if it.support else None,
        status="corrected" if it.corrected else "final",
        category=concepts(to, "observation-category", category),
        subject=to.reference("Patient", it.subject),
        encounter=it.visit and to.reference("Encounter", it.visit),
        **timed("effective", it.when, it.until),
        performer=[to.reference("Organization", site)] if site else None,
        specimen=it.sample and to.reference("Specimen", it.sample),
        **_finding(it, to),
    )


def _finding(it: Measurement, to: Context) -> Resource:
    """Code, value and components; a panel's lone member moves into its panel."""
    own = fields(
        code=measured_code(to, it.code, it.unit, valued=it.value is not None),
        **_valued(it, to),
        valueCodeableConcept=it.term and to.coded("result", it.term),
        valueBoolean=it.flag,
        interpretation=[to.coded("interpretation", it.interpretation)]
        if it.interpretation
        else None,
        referenceRange=_range(it, to),
    )
    panel = PANEL_OF.get(it.code)
    if not (it.components or panel or it.code in PANELS):
        return own
    components = [_component(each, to) for each in it.components]
    measured = {it.code, *(each.code for each in it.components)}
    missing = [
        _component(Component(code=member, absent=it.absent or "unknown"), to)
        for member in PANELS.get(panel or it.code, ())
        if member not in measured
    ]
    if panel:
        return {"code": measured_code(to, panel), "component": [own, *components, *missing]}
    return {**own, "component": [*components, *missing]}


def _valued(it: Measurement, to: Context) -> Resource:
    """The quantity, or why there is none."""
    if not it.absent:
        return {"valueQuantity": quantity(it.value, it.unit, it.comparator)}
    if it.code not in ALWAYS_VALUED[to.release]:
        return {"dataAbsentReason": to.coded("absent-reason", it.absent)}
    why = [{"url": ABSENT, "valueCode": to.code("absent-reason", it.absent)}]
    unit = it.unit or to.tables["measurement"].units(it.code)[0]
    empty = {"extension": why}
    return {"valueQuantity": {"_value": empty, "unit": unit, "system": UCUM, "code": unit}}


def measured_code(
    to: Context, term: str, unit: str | None = None, *, valued: bool = False
) -> Resource:
    """The code of a measurement in this unit. Raises ValueError when there is none."""
    units = to.tables["measurement"].units(term)
    if units and unit not in units and (unit or valued):
        raise ValueError(f"measurement {term!r} is known in {', '.join(units)}, not in {unit!r}")
    return to.coded("measurement", term, unit or (units[0] if units else None))


def _range(it: Measurement, to: Context) -> list[Resource] | None:
    """The normal range, with the ages it holds for where the source names them."""
    if it.low is None and it.high is None:
        return None
    ages = fields(low=quantity(it.age_from, it.age_unit), high=quantity(it.age_to, it.age_unit))
    return [
        fields(
            low=quantity(it.low, it.unit),
            high=quantity(it.high, it.unit),
            type_={"coding": [to.coding("reference-range", "normal")]},
            age=ages,
        )
    ]


def _component(component: Component, to: Context) -> Resource:
    has_value = component.value is not None
    return fields(
        code=measured_code(to, component.code, component.unit, valued=has_value),
        valueQuantity=quantity(component.value, component.unit),
        dataAbsentReason=component.absent and to.coded("absent-reason", component.absent),
    )
