"""Subject -> ResearchSubject; Disposition -> its end.

https://hl7.org/fhir/R4/researchsubject.html  https://hl7.org/fhir/R5/researchsubject.html

R5 tells the course of a participation in ``progress``: milestones that were reached, and states
with the reason of their change. R4 has one status; the milestones that nothing else holds are
R5's ``progress`` as a cross-version extension, and the reason of an end is an Observation whose
focus is the ResearchSubject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mappings.context import Context, Resource, fields
from mappings.entities import Consent, Disposition, Subject
from mappings.observation import measured_code
from mappings.values import ABSENT, arm_link, concepts, in_study, period, typed_identifier

PROGRESS = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ResearchSubject.progress"
VALUES = {"type": "valueCodeableConcept", "milestone": "valueCodeableConcept"}


def research_subject(
    subject: Subject, to: Context, *, consents: Sequence[Consent] = ()
) -> Resource:
    """The participation of a subject in the study; a disposition ends it.

    ``consents`` are all of the subject's; R4 has room for the latest one alone.
    """
    end = subject.disposition
    number = to.identifier("ResearchSubject", subject.key)
    return to.resource(
        "ResearchSubject",
        key=subject.key,
        identifier=[typed_identifier(to, "subject-number", number)],
        period=period(subject.enrolled, end.date if end else None),
        study=to.reference("ResearchStudy", to.study),
        **SHAPES[to.release](subject, to, sorted(consents, key=lambda each: each.date)),
    )


def _r4(subject: Subject, to: Context, consents: Sequence[Consent]) -> dict[str, Any]:
    end = subject.disposition
    return {
        "extension": [_as_extension(each) for each in _milestones(subject, (), to)],
        "status": end.status if end else subject.status,
        "individual": to.reference("Patient", subject.key),
        "assignedArm": subject.arm,
        "actualArm": subject.arm,
        "consent": _consent(consents, to),
    }


def _r5(subject: Subject, to: Context, consents: Sequence[Consent]) -> dict[str, Any]:
    arm = arm_link(to, subject.arm)
    enrolled = _milestone(to, "enrolled", subject.enrolled)
    return {
        "status": "active",  # of the record; the state of the subject stands in progress
        "progress": [*_milestones(subject, consents, to), enrolled, *_states(subject, to)],
        "subject": to.reference("Patient", subject.key),
        "assignedComparisonGroup": arm,
        "actualComparisonGroup": arm,
        "consent": [reference for each in consents for reference in _references(each, to)],
    }


SHAPES: Mapping[str, Callable[[Subject, Context, Sequence[Consent]], dict[str, Any]]] = {
    "R4": _r4,
    "R4B": _r4,
    "R5": _r5,
}


def _consent(consents: Sequence[Consent], to: Context) -> Resource | None:
    """The latest consent; MII's subject needs the element, so there an unknown one says so."""
    if consents:
        return to.reference("Consent", consents[-1].key)
    unknown = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    return unknown if "mii-studie" in to.flavours else None


def _references(consent: Consent, to: Context) -> Iterator[Resource]:
    yield to.reference("Consent", consent.key)
    if consent.assent:
        yield to.reference("Consent", consent.key, "assent")


def _milestones(subject: Subject, consents: Sequence[Consent], to: Context) -> Iterator[Resource]:
    """What the subject reached, in the order in which studies go."""
    dated = [("signed-up", subject.signed_up), ("screened", subject.screened)]
    for consent in consents:
        given = [("consented", consent.decision), ("assented", consent.assent)]
        dated += [(term, consent.date) for term, decision in given if decision == "permit"]
    for term, date in (*dated, ("randomized", subject.randomized)):
        if date:
            yield _milestone(to, term, date)


def _milestone(to: Context, term: str, date: str) -> Resource:
    return {
        "type": to.coded("subject-progress-type", "milestone"),
        "milestone": to.coded("subject-milestone", term),
        "startDate": date,
    }


def _states(subject: Subject, to: Context) -> Iterator[Resource]:
    """The state since the enrolment; an end of the participation makes a second one."""
    end = subject.disposition
    yield _state(to, subject.status, subject.enrolled, end.date if end else None)
    if end:
        yield _state(to, end.status, end.date, reason=end.reason)


def _state(
    to: Context, status: str, start: str, end: str | None = None, reason: str | None = None
) -> Resource:
    return fields(
        type_=to.coded("subject-progress-type", "enrollment"),
        subjectState=to.coded("subject-state", status),
        reason=reason and to.coded("disposition-reason", reason),
        startDate=start,
        endDate=end,
    )


def _as_extension(progress: Resource) -> Resource:
    parts = [
        {"url": name, VALUES.get(name, "valueDateTime"): value} for name, value in progress.items()
    ]
    return {"url": PROGRESS, "extension": parts}


def end_of_participation(end: Disposition, to: Context) -> list[Resource]:
    """Why a participation ended, as an Observation; nothing without a reason, and in R5."""
    if end.reason is None or to.r5:
        return []
    category = to.tables["measurement"].rows("end-of-participation")[0].category
    return [
        to.resource(
            "Observation",
            key=end.key,
            kind="disposition",
            profile="outcome-observation",
            extension=in_study(to),
            status="final",
            category=concepts(to, "observation-category", category),
            code=measured_code(to, "end-of-participation"),
            subject=to.reference("Patient", end.subject),
            focus=[to.reference("ResearchSubject", end.subject)],
            effectiveDateTime=end.date,
            valueCodeableConcept=to.coded("disposition-reason", end.reason),
        )
    ]
