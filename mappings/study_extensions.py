"""What R5's ResearchStudy has and R4's lacks, as HL7's official cross-version extensions.

https://hl7.org/fhir/uv/xver  https://hl7.org/fhir/R5/researchstudy.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mappings.context import Context, Resource, fields
from mappings.entities import Outcome, Party, RegistryTerm, Study, StudyDate
from mappings.organization import OrganizationKeys, organization_reference
from mappings.practitioner import role_concept, role_key
from mappings.registry_terms import registry_concept, registry_term
from mappings.values import period

R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ResearchStudy."
REGISTRATION = "http://hl7.org/fhir/StructureDefinition/researchStudy-studyRegistration"
LINK_ID = f"{R5}comparisonGroup.linkId"
MILESTONES = ("start", "completion")  # dates of the study; all others are of its registration
TYPES = {
    "activity": "valueCodeableConcept",
    "actual": "valueBoolean",
    "actualNumber": "valueUnsignedInt",
    "classifier": "valueCodeableConcept",
    "description": "valueMarkdown",
    "name": "valueString",
    "party": "valueReference",
    "period": "valuePeriod",
    "role": "valueCodeableConcept",
    "state": "valueCodeableConcept",
    "targetNumber": "valueUnsignedInt",
    "type": "valueCodeableConcept",
    "value": "valueString",
}


def study_extensions(study: Study, keys: OrganizationKeys, to: Context) -> list[Resource]:
    """All extensions of a study, in the order of R5's elements."""
    design = [
        {"url": f"{R5}studyDesign", "valueCodeableConcept": registry_term(to, term)}
        for term in study.design
    ]
    classifiers = [
        {"url": f"{R5}classifier", "valueCodeableConcept": registry_term(to, term)}
        for term in _classifiers(study)
    ]
    return [
        *_labels(study, to),
        *design,
        *classifiers,
        *_summary(study),
        *(_party(party, keys, to) for party in study.parties),
        *_progress(study, to),
        *_recruitment(study),
        *(_outcome(outcome, to) for outcome in study.outcomes),
        *(_registration(date, to) for date in study.dates if date.activity not in MILESTONES),
    ]


def progress_statuses(words: Iterable[tuple[str, str | None]], to: Context) -> list[Resource]:
    """Recruitment states, each with the registry's word and, if given, a text of its own."""
    found = []
    for word, text in words:
        state = registry_concept(to, "Status", word)
        found.append(_nested("progressStatus", state={**state, **fields(text=text)}))
    return found


def _nested(name: str, /, **parts: Any) -> Resource:
    """An extension of extensions; the type of a part's value is told by its name."""
    url = REGISTRATION if name == "studyRegistration" else f"{R5}{name}"
    inner = [{"url": part, TYPES[part]: value} for part, value in fields(**parts).items()]
    return {"url": url, "extension": inner}


def _labels(study: Study, to: Context) -> Iterator[Resource]:
    for kind, text in (("official", study.official_title), ("acronym", study.acronym)):
        if text:
            yield _nested("label", type_=to.coded("study-title", kind), value=text)


def _classifiers(study: Study) -> Iterator[RegistryTerm]:
    yield from study.terms
    if study.enrollment_kind:
        yield RegistryTerm(field="enrollmentType", value=study.enrollment_kind)


def _summary(study: Study) -> Iterator[Resource]:
    if study.summary:
        yield {"url": f"{R5}descriptionSummary", "valueMarkdown": study.summary}


def _party(party: Party, keys: OrganizationKeys, to: Context) -> Resource:
    if party.person:
        reference = to.reference("PractitionerRole", role_key(party))
    else:
        reference = organization_reference(party.name, keys, to)
    kind = party.party_class
    return _nested(
        "associatedParty",
        name=party.name,
        role=role_concept(party, to),
        classifier=registry_concept(to, "AgencyClass", kind) if kind else None,
        party=reference,
    )


def _progress(study: Study, to: Context) -> Iterator[Resource]:
    """The present state first, then the posted and the last known one, then start and end."""
    words: list[tuple[str, str | None]] = [(study.status, None)]
    if study.present_status and study.present_status != study.status:
        posted = registry_concept(to, "Status", study.status)["text"]
        words = [(study.present_status, None), (study.status, f"{posted} (as registered)")]
    if study.last_known_status:
        known = registry_concept(to, "Status", study.last_known_status)["text"]
        words.append((study.last_known_status, f"{known} (last known)"))
    yield from progress_statuses(words, to)
    for date in study.dates:
        if date.activity in MILESTONES:
            yield _nested(
                "progressStatus",
                state=to.coded("study-progress", "overall-study"),
                actual=_actual(date),
                period=_span(date),
            )


def _recruitment(study: Study) -> Iterator[Resource]:
    if study.enrollment is None:
        return
    number = "actualNumber" if study.enrollment_kind == "ACTUAL" else "targetNumber"
    yield _nested("recruitment", **{number: study.enrollment})


def _outcome(outcome: Outcome, to: Context) -> Resource:
    frame = f"Time frame: {outcome.time_frame}" if outcome.time_frame else None
    texts = [text for text in (outcome.description, frame) if text]
    return _nested(
        "outcomeMeasure",
        name=outcome.measure,
        type_=registry_concept(to, "OutcomeMeasureType", outcome.kind),
        description="\n\n".join(texts),
    )


def _registration(date: StudyDate, to: Context) -> Resource:
    return _nested(
        "studyRegistration",
        activity=to.coded("study-registration-activity", date.activity),
        actual=_actual(date),
        period=_span(date),
    )


def _actual(date: StudyDate) -> bool | None:
    return {"ACTUAL": True, "ESTIMATED": False}.get(date.kind or "")


def _span(date: StudyDate) -> Resource | None:
    """Collection of data and the study end on their date; everything else begins on it."""
    ends = date.activity in ("completion", "primaryCompletionDateStruct")
    return period(None, date.date) if ends else period(date.date)
