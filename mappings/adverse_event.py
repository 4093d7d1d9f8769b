"""Event -> AdverseEvent.

https://hl7.org/fhir/R4/adverseevent.html  https://hl7.org/fhir/R5/adverseevent.html
https://hl7.org/fhir/uv/ae-research-backport-ig (flavour ``ae-backport``)

Seriousness and causality are written in lower case, as terminology.hl7.org has them since R5; R4
binds both as examples. Outcome carries the one coding that R4 requires. R4 has no element for the
end and the CTCAE grade, R5 none for severity and grade: both stand in a contained Condition, the
condition that resulted. What is not known is left out: an event of which nobody said whether it was
serious has no seriousness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mappings.context import Context, Resource, fields
from mappings.entities import Event, Suspect
from mappings.locations import profile_url
from mappings.values import concepts, timed

RESULT = "condition"
MEDDRA = "https://www.meddra.org"
BACKPORT = "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition/"
BACKPORT_PROFILE = f"{BACKPORT}AdverseEvent-clinical-research"

# What the outcome says of the condition that resulted. Of a fatal one nothing is said: it did not
# resolve, and nobody has it any more.
CLINICAL_STATUS = {
    "ongoing": "active",
    "recovering": "active",
    "resolved": "resolved",
    "resolved-with-sequelae": "resolved",
}


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
        suspectEntity=[_suspect(each, to) for each in _suspects(event)],
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
        suspectEntity=[_suspect_r5(each, to) for each in _suspects(event)],
    )


def _backport(event: Event, to: Context) -> Resource:
    """R5's elements as extensions: the guide's own where its package is at hand, else ours."""
    said = _said_serious(event, to)
    return fields(
        identifier=to.identifier("AdverseEvent", event.key),
        extension=[_extension(to, name, value) for name, value in _backported(event, to)],
        modifierExtension=[_extension(to, "status", {"valueCode": "completed"})],
        event=_what(event, to),
        date=event.onset,
        seriousness=said and {"coding": said["coding"]},
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
    for suspect in _suspects(event):
        related = {"valueCodeableConcept": _assessed(suspect, to)}
        yield (
            "suspect-entity",
            _parts(
                instance={"valueReference": _suspected(suspect, to)},
                causality=_parts(entityRelatedness=related),
            ),
        )


def _extension(to: Context, name: str, content: Resource) -> Resource:
    guide = BACKPORT_PROFILE in to.profiles.get("AdverseEvent", ())
    return {"url": f"{BACKPORT}{name}" if guide else profile_url(f"ae-{name}"), **content}


def _parts(**parts: Resource) -> Resource:
    return {"extension": [{"url": name, **content} for name, content in parts.items()]}


def _suspected(suspect: Suspect, to: Context) -> Resource:
    """The guide wants a reference: without a dose it is the study, whose intervention it was."""
    if suspect.treatment:
        return to.reference("MedicationAdministration", suspect.treatment)
    return to.reference("ResearchStudy", to.study)


def _assessed(suspect: Suspect, to: Context) -> Resource:
    return _relatedness(suspect.causality, to) if suspect.causality else {"text": "Not assessed"}


SHAPES: Mapping[str, Callable[[Event, Context], Resource]] = {"R4": _r4, "R4B": _r4, "R5": _r5}


def _expectedness(event: Event, to: Context) -> list[Resource] | None:
    if event.expected is None:
        return None
    return concepts(to, "expectedness", "expected" if event.expected else "unexpected")


def _serious(event: Event) -> bool | None:
    """Whether the event was serious; a criterion is what makes it so, said or not."""
    return True if event.serious is None and event.criteria else event.serious


def _said_serious(event: Event, to: Context) -> Resource | None:
    serious = _serious(event)
    if serious is None:
        return None
    return to.coded("seriousness", "serious" if serious else "non-serious")


def _seriousness(event: Event, to: Context) -> Resource | None:
    """Serious or not, with the criteria that make it so; None where that is not known."""
    said = _said_serious(event, to)
    criteria = [to.coding("seriousness-criterion", each) for each in event.criteria]
    return said and {**said, "coding": [*said["coding"], *criteria]}


def _clinical_status(event: Event, to: Context) -> Resource | None:
    """How the outcome and the end leave the condition that resulted.

    One that has ended must say so (con-4 in R4, con-3 in R5): a fatal one is inactive, which does
    not claim that it resolved. R5 wants a status always, and has one for what is not known.
    """
    status = CLINICAL_STATUS.get(event.outcome or "", "unknown" if to.r5 else None)
    if event.ended:
        status = "inactive" if event.outcome == "fatal" else "resolved"
    return {"coding": [to.coding("condition-clinical", status)]} if status else None


def _resulting_condition(
    event: Event, to: Context, severity: str | None = None
) -> list[Resource] | None:
    """What the event came to: its end, its CTCAE grade, and its severity where that has no room."""
    if event.ended is None and event.grade is None and severity is None:
        return None
    degrees = [
        *([to.coded("ctcae-grade", event.grade)] if event.grade else []),
        *([{"coding": [to.coding("severity", severity)]}] if severity else []),
    ]
    condition = fields(
        resourceType="Condition",
        id=RESULT,
        clinicalStatus=_clinical_status(event, to),
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


def _suspects(event: Event) -> list[Suspect]:
    """Everything suspected, the one that the event names itself first."""
    own = Suspect(treatment=event.suspect, causality=event.causality)
    return [each for each in (own, *event.suspects) if each.treatment or each.causality]


def _suspect(suspect: Suspect, to: Context) -> Resource:
    """The treatment held responsible; a causality without one is about the intervention."""
    assessed = suspect.causality and {"assessment": to.coded("causality", suspect.causality)}
    return fields(instance=_treatment(suspect, to), causality=[assessed] if assessed else None)


def _suspect_r5(suspect: Suspect, to: Context) -> Resource:
    related = suspect.causality and _relatedness(suspect.causality, to)
    causality = {"entityRelatedness": related} if related else None
    return fields(instanceReference=_treatment(suspect, to), causality=causality)


def _either(first: str, second: str) -> Callable[[str, Context], Resource]:
    """The concept of the first table, or of the second for a term that only that one has."""

    def coded(term: str, to: Context) -> Resource:
        return to.coded(first if term in to.tables[first] else second, term)

    return coded


_outcome_r5 = _either("event-outcome-research", "event-outcome")
_relatedness = _either("event-relatedness", "causality")


def _treatment(suspect: Suspect, to: Context) -> Resource:
    if suspect.treatment:
        return to.reference("MedicationAdministration", suspect.treatment)
    return {"display": "Intervention of the study"}
