"""Event -> AdverseEvent.

https://hl7.org/fhir/R4/adverseevent.html  https://hl7.org/fhir/R5/adverseevent.html
https://hl7.org/fhir/uv/ae-research-backport-ig (flavour ``ae-backport``)

Seriousness and causality are written in lower case, as terminology.hl7.org has them since R5; R4
binds both as examples. Outcome carries the one coding that R4 requires. R4 has no element for the
end and the CTCAE grade, R5 none for severity and grade: both stand in a contained Condition, the
condition that resulted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mappings.context import Context, Resource, fields
from mappings.entities import Event
from mappings.locations import profile_url
from mappings.values import concepts, timed

RESULT = "condition"
MEDDRA = "https://www.meddra.org"
BACKPORT = "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition/"
BACKPORT_PROFILE = f"{BACKPORT}AdverseEvent-clinical-research"


def adverse_event(event: Event, to: Context) -> Resource:
    """An adverse event of a subject in the study."""
    return to.resource(
        "AdverseEvent",
        key=event.key,
        actuality="actual",
        subject=to.reference("Patient", event.subject),
        encounter=event.visit and to.reference("Encounter", event.visit),
        recordedDate=event.recorded,
        study=[to.reference("ResearchStudy", to.study)],
        **(_backport if "ae-backport" in to.flavours else SHAPES[to.release])(event, to),
    )


def _r4(event: Event, to: Context) -> Resource:
    contained = _resulting_condition(event, to)
    return fields(
        identifier=to.identifier("AdverseEvent", event.key),
        seriousness=_seriousness(event, to),
        contained=contained,
        category=_expectedness(event, to),
        event=_what(event, to),
        date=event.onset,
        resultingCondition=[{"reference": f"#{RESULT}"}] if contained else None,
        severity=event.severity and {"coding": [to.coding("severity", event.severity)]},
        outcome=event.outcome and {"coding": [to.coding("event-outcome", event.outcome)]},
        suspectEntity=_suspect(event, to),
    )


def _r5(event: Event, to: Context) -> Resource:
    contained = _resulting_condition(event, to, severity=event.severity)
    return fields(
        status="completed",
        seriousness=_seriousness(event, to),
        contained=contained,
        category=concepts(to, "event-category", "clinical-research"),
        code=_what(event, to),
        **timed("occurrence", event.onset, event.ended),
        resultingEffect=[{"reference": f"#{RESULT}"}] if contained else None,
        outcome=event.outcome and [_outcome_r5(event.outcome, to)],
        expectedInResearchStudy=event.expected,
        suspectEntity=_suspect_r5(event, to),
    )


def _backport(event: Event, to: Context) -> Resource:
    """R5's elements as extensions: the guide's own where its package is at hand, else ours."""
    serious = to.coding("seriousness", "serious" if event.serious else "non-serious")
    return fields(
        identifier=to.identifier("AdverseEvent", event.key),
        extension=[_extension(to, name, value) for name, value in _backported(event, to)],
        modifierExtension=[_extension(to, "status", {"valueCode": "completed"})],
        event=_what(event, to),
        date=event.onset,
        seriousness={"coding": [serious]},
        severity=event.severity and {"coding": [to.coding("severity", event.severity)]},
        outcome=event.outcome and _both_outcomes(event.outcome, to),
    )


def _what(event: Event, to: Context) -> Resource:
    """Our term, and the MedDRA term that the study holds a licence for."""
    concept = to.coded("adverse-event", event.term)
    if event.meddra is None:
        return concept
    coding = fields(
        system=MEDDRA,
        version=event.meddra_version,
        code=event.meddra,
        display=event.meddra_term,
    )
    text = event.meddra_term or concept["text"]
    return {"coding": [*concept.get("coding", []), coding], "text": text}


def _both_outcomes(outcome: str, to: Context) -> Resource:
    """R4 binds the element to one value set, the guide to another: a coding of each."""
    tables = ("event-outcome", "event-outcome-research")
    return {
        "coding": [to.coding(table, outcome) for table in tables if outcome in to.tables[table]]
    }


def _backported(event: Event, to: Context) -> Iterator[tuple[str, Resource]]:
    subject = to.reference("ResearchSubject", event.subject)
    yield "research-subject-ref", {"valueReference": subject}
    for criterion in event.criteria:
        code = {"coding": [to.coding("seriousness-criterion", criterion)]}
        yield (
            "seriousness-criteria",
            _parts(
                criterionCode={"valueCodeableConcept": code},
                criterionPresent={"valueBoolean": True},
            ),
        )
    if event.grade:
        yield "severity-or-grade", {"valueCodeableConcept": to.coded("ctcae-grade", event.grade)}
    if event.ended:
        yield "resolve-date", {"valueDateTime": event.ended}
    if event.expected is not None:
        yield "expected-in-research-study", {"valueBoolean": event.expected}
    if event.suspect or event.causality:
        yield (
            "suspect-entity",
            _parts(
                instance={"valueReference": _suspected(event, to)},
                causality=_parts(entityRelatedness={"valueCodeableConcept": _assessed(event, to)}),
            ),
        )


def _extension(to: Context, name: str, content: Resource) -> Resource:
    guide = BACKPORT_PROFILE in to.profiles.get("AdverseEvent", ())
    return {"url": f"{BACKPORT}{name}" if guide else profile_url(f"ae-{name}"), **content}


def _parts(**parts: Resource) -> Resource:
    return {"extension": [{"url": name, **content} for name, content in parts.items()]}


def _suspected(event: Event, to: Context) -> Resource:
    """The guide wants a reference: without a dose it is the study, whose intervention it was."""
    if event.suspect:
        return to.reference("MedicationAdministration", event.suspect)
    return to.reference("ResearchStudy", to.study)


def _assessed(event: Event, to: Context) -> Resource:
    return _relatedness(event.causality, to) if event.causality else {"text": "Not assessed"}


SHAPES: Mapping[str, Callable[[Event, Context], Resource]] = {"R4": _r4, "R4B": _r4, "R5": _r5}


def _expectedness(event: Event, to: Context) -> list[Resource] | None:
    if event.expected is None:
        return None
    return concepts(to, "expectedness", "expected" if event.expected else "unexpected")


def _seriousness(event: Event, to: Context) -> Resource:
    """Serious or not, with the criteria that make it so."""
    criteria = (to.coding("seriousness-criterion", each) for each in event.criteria)
    serious = to.coded("seriousness", "serious" if event.serious else "non-serious")
    return {**serious, "coding": [*serious["coding"], *criteria]}


def _resulting_condition(
    event: Event, to: Context, severity: str | None = None
) -> list[Resource] | None:
    """What the event came to: its end, its CTCAE grade, and its severity where that has no room."""
    if event.ended is None and event.grade is None and severity is None:
        return None
    status = "resolved" if event.ended else "active"
    degrees = [
        *([to.coded("ctcae-grade", event.grade)] if event.grade else []),
        *([{"coding": [to.coding("severity", severity)]}] if severity else []),
    ]
    condition = fields(
        resourceType="Condition",
        id=RESULT,
        clinicalStatus={"coding": [to.coding("condition-clinical", status)]},
        severity=_together(degrees),
        code=_what(event, to),
        subject=to.reference("Patient", event.subject),
        onsetDateTime=event.onset,
        abatementDateTime=event.ended,
    )
    return [condition]


def _together(concepts: list[Resource]) -> Resource | None:
    """One concept of several ways to say how bad it was."""
    if not concepts:
        return None
    codings = [coding for each in concepts for coding in each["coding"]]
    return fields(coding=codings, text=concepts[0].get("text"))


def _suspect(event: Event, to: Context) -> list[Resource] | None:
    """The treatment held responsible; a causality without one is about the intervention."""
    if event.suspect is None and event.causality is None:
        return None
    assessed = event.causality and {"assessment": to.coded("causality", event.causality)}
    return [fields(instance=_treatment(event, to), causality=[assessed] if assessed else None)]


def _suspect_r5(event: Event, to: Context) -> list[Resource] | None:
    if event.suspect is None and event.causality is None:
        return None
    related = event.causality and _relatedness(event.causality, to)
    causality = {"entityRelatedness": related} if related else None
    return [fields(instanceReference=_treatment(event, to), causality=causality)]


def _either(first: str, second: str) -> Callable[[str, Context], Resource]:
    """The concept of the first table, or of the second for a term that only that one has."""

    def coded(term: str, to: Context) -> Resource:
        return to.coded(first if term in to.tables[first] else second, term)

    return coded


_outcome_r5 = _either("event-outcome-research", "event-outcome")
_relatedness = _either("event-relatedness", "causality")


def _treatment(event: Event, to: Context) -> Resource:
    if event.suspect:
        return to.reference("MedicationAdministration", event.suspect)
    return {"display": "Intervention of the study"}
