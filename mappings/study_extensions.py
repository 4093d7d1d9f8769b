"""What R5's ResearchStudy has and R4's lacks: elements in R5, HL7's cross-version extensions in R4.

https://hl7.org/fhir/uv/xver  https://hl7.org/fhir/R5/researchstudy.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from mappings.context import Context, Resource, fields
from mappings.entities import Outcome, Party, RegistryTerm, Study, StudyDate
from mappings.organization import OrganizationKeys, organization_reference
from mappings.practitioner import role_concept, role_key
from mappings.registry_terms import registry_concept, registry_term
from mappings.values import period

Element: TypeAlias = tuple[str, Any]  # an element of R5 by its name: a value, or a group's parts

R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ResearchStudy."
REGISTRATION = "http://hl7.org/fhir/StructureDefinition/researchStudy-studyRegistration"
LINK_ID = f"{R5}comparisonGroup.linkId"
MILESTONES = ("start", "completion")  # dates of the study; all others are of its registration
# The type of a value, or of a group's part, is told by its name.
TYPES = {
    "activity": "valueCodeableConcept",
    "actual": "valueBoolean",
    "actualNumber": "valueUnsignedInt",
    "classifier": "valueCodeableConcept",
    "description": "valueMarkdown",
    "descriptionSummary": "valueMarkdown",
    "name": "valueString",
    "party": "valueReference",
    "period": "valuePeriod",
    "role": "valueCodeableConcept",
    "state": "valueCodeableConcept",
    "studyDesign": "valueCodeableConcept",
    "targetNumber": "valueUnsignedInt",
    "type": "valueCodeableConcept",
    "value": "valueString",
}
SINGLE = frozenset({"descriptionSummary", "recruitment"})  # elements of R5 that do not repeat
REPEATED = frozenset({("associatedParty", "classifier"), ("outcomeMeasure", "type")})


def study_elements(study: Study, keys: OrganizationKeys, to: Context) -> Resource:
    """All of a study's elements that R5 has and R4 lacks, in the order of R5's elements."""
    design = [("studyDesign", registry_term(to, term)) for term in study.design]
    classifiers = [("classifier", registry_term(to, term)) for term in _classifiers(study)]
    elements: list[Element] = [
        *_labels(study, to),
        *design,
        *classifiers,
        *_summary(study),
        *(_party(party, keys, to) for party in study.parties),
        *_progress(study, to),
        *_recruitment(study, to),
        *(_outcome(outcome, to) for outcome in study.outcomes),
    ]
    dates = [_registration(date, to) for date in study.dates if date.activity not in MILESTONES]
    return shaped(elements, to, dates)


def progress_statuses(words: Iterable[tuple[str, str | None]], to: Context) -> list[Element]:
    """Recruitment states, each with the registry's word and, if given, a text of its own."""
    found: list[Element] = []
    for word, text in words:
        state = registry_concept(to, "Status", word)
        found.append(("progressStatus", {"state": {**state, **fields(text=text)}}))
    return found


def shaped(
    elements: Iterable[Element], to: Context, extensions: Iterable[Resource] = ()
) -> Resource:
    """Elements of R5 as this release writes them; ``extensions`` are such in every release."""
    return SHAPES[to.release](elements, extensions)


def _as_extensions(elements: Iterable[Element], extensions: Iterable[Resource]) -> Resource:
    return {"extension": [*(_extension(f"{R5}{name}", it) for name, it in elements), *extensions]}


def _as_elements(elements: Iterable[Element], extensions: Iterable[Resource]) -> Resource:
    found: dict[str, list[Any]] = {}
    for name, value in elements:
        found.setdefault(name, []).append(value if name in TYPES else _group(name, value))
    native = {name: each[0] if name in SINGLE else each for name, each in found.items()}
    return {"extension": list(extensions), **native}


def _group(name: str, parts: Resource) -> Resource:
    return {
        part: [value] if (name, part) in REPEATED else value
        for part, value in fields(**parts).items()
    }


def _extension(url: str, value: Any) -> Resource:
    name = url.removeprefix(R5)
    if name in TYPES:
        return {"url": url, TYPES[name]: value}
    inner = [{"url": part, TYPES[part]: it} for part, it in fields(**value).items()]
    return {"url": url, "extension": inner}


SHAPES: Mapping[str, Callable[[Iterable[Element], Iterable[Resource]], Resource]] = {
    "R4": _as_extensions,
    "R4B": _as_extensions,
    "R5": _as_elements,
}


def _labels(study: Study, to: Context) -> Iterator[Element]:
    for kind, text in (("official", study.official_title), ("acronym", study.acronym)):
        if text:
            yield "label", {"type": to.coded("study-title", kind), "value": text}


def _classifiers(study: Study) -> Iterator[RegistryTerm]:
    yield from study.terms
    if study.enrollment_kind:
        yield RegistryTerm(field="enrollmentType", value=study.enrollment_kind)


def _summary(study: Study) -> Iterator[Element]:
    if study.summary:
        yield "descriptionSummary", study.summary


def _party(party: Party, keys: OrganizationKeys, to: Context) -> Element:
    if party.person:
        reference = to.reference("PractitionerRole", role_key(party))
    else:
        reference = organization_reference(party.name, keys, to)
    kind = party.party_class
    return "associatedParty", {
        "name": party.name,
        "role": role_concept(party, to),
        "classifier": registry_concept(to, "AgencyClass", kind) if kind else None,
        "party": reference,
    }


def _progress(study: Study, to: Context) -> Iterator[Element]:
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
            yield (
                "progressStatus",
                {
                    "state": to.coded("study-progress", "overall-study"),
                    "actual": _actual(date),
                    "period": _span(date),
                },
            )


def _recruitment(study: Study, to: Context) -> Iterator[Element]:
    number = "actualNumber" if study.enrollment_kind == "ACTUAL" else "targetNumber"
    parts = fields(**{number: study.enrollment}, **ELIGIBILITY[to.release](study, to))
    if parts:
        yield "recruitment", parts


def _not_here(_study: Study, _to: Context) -> Resource:
    """R4's extension takes an EvidenceVariable alone: the Group is ``enrollment`` there."""
    return {}


def _eligibility(study: Study, to: Context) -> Resource:
    if study.eligibility is None:
        return {}
    return {"eligibility": to.reference("Group", study.key, "eligibility")}


ELIGIBILITY: Mapping[str, Callable[[Study, Context], Resource]] = {
    "R4": _not_here,
    "R4B": _not_here,
    "R5": _eligibility,
}


def _outcome(outcome: Outcome, to: Context) -> Element:
    frame = f"Time frame: {outcome.time_frame}" if outcome.time_frame else None
    texts = [text for text in (outcome.description, frame) if text]
    return "outcomeMeasure", {
        "name": outcome.measure,
        "type": registry_concept(to, "OutcomeMeasureType", outcome.kind),
        "description": "\n\n".join(texts),
    }


def _registration(date: StudyDate, to: Context) -> Resource:
    parts = {
        "activity": to.coded("study-registration-activity", date.activity),
        "actual": _actual(date),
        "period": _span(date),
    }
    return _extension(REGISTRATION, parts)


def _actual(date: StudyDate) -> bool | None:
    return {"ACTUAL": True, "ESTIMATED": False}.get(date.kind or "")


def _span(date: StudyDate) -> Resource | None:
    """Collection of data and the study end on their date; everything else begins on it."""
    ends = date.activity in ("completion", "primaryCompletionDateStruct")
    return period(None, date.date) if ends else period(date.date)
