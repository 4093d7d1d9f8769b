"""Event -> AdverseEvent, in the plain shape of R4.  https://hl7.org/fhir/R4/adverseevent.html

Seriousness and causality are written in lower case, as terminology.hl7.org has them since R5; R4
binds both as examples. Outcome carries the one coding that R4 requires. R4 has no element for
the end and the CTCAE grade: both stand in a contained Condition, the resulting condition.
"""

from __future__ import annotations

from mappings.context import Context, Resource, fields
from mappings.entities import Event
from mappings.values import concepts

RESULT = "condition"


def adverse_event(event: Event, to: Context) -> Resource:
    """An adverse event of a subject in the study."""
    contained = _resulting_condition(event, to)
    return to.resource(
        "AdverseEvent",
        key=event.key,
        identifier=to.identifier("AdverseEvent", event.key),
        contained=contained,
        actuality="actual",
        category=_expectedness(event, to),
        event=to.coded("adverse-event", event.term),
        subject=to.reference("Patient", event.subject),
        encounter=event.visit and to.reference("Encounter", event.visit),
        date=event.onset,
        recordedDate=event.recorded,
        resultingCondition=[{"reference": f"#{RESULT}"}] if contained else None,
        seriousness=_seriousness(event, to),
        severity=event.severity and {"coding": [to.coding("severity", event.severity)]},
        outcome=event.outcome and {"coding": [to.coding("event-outcome", event.outcome)]},
        suspectEntity=_suspect(event, to),
        study=[to.reference("ResearchStudy", to.study)],
    )


def _expectedness(event: Event, to: Context) -> list[Resource] | None:
    if event.expected is None:
        return None
    return concepts(to, "expectedness", "expected" if event.expected else "unexpected")


def _seriousness(event: Event, to: Context) -> Resource:
    """Serious or not, with the criteria that make it so."""
    criteria = (to.coding("seriousness-criterion", each) for each in event.criteria)
    serious = to.coding("seriousness", "serious" if event.serious else "non-serious")
    return {"coding": [serious, *criteria]}


def _resulting_condition(event: Event, to: Context) -> list[Resource] | None:
    if event.ended is None and event.grade is None:
        return None
    status = "resolved" if event.ended else "active"
    condition = fields(
        resourceType="Condition",
        id=RESULT,
        clinicalStatus={"coding": [to.coding("condition-clinical", status)]},
        severity=event.grade and to.coded("ctcae-grade", event.grade),
        code=to.coded("adverse-event", event.term),
        subject=to.reference("Patient", event.subject),
        onsetDateTime=event.onset,
        abatementDateTime=event.ended,
    )
    return [condition]


def _suspect(event: Event, to: Context) -> list[Resource] | None:
    """The treatment held responsible; a causality without one is about the intervention."""
    if event.suspect is None and event.causality is None:
        return None
    suspect = (
        to.reference("MedicationAdministration", event.suspect)
        if event.suspect
        else {"display": "Intervention of the study"}
    )
    assessed = event.causality and {"assessment": to.coded("causality", event.causality)}
    return [fields(instance=suspect, causality=[assessed] if assessed else None)]
