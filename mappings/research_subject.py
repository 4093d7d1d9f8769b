"""Subject -> ResearchSubject; Disposition -> its end.  https://hl7.org/fhir/R4/researchsubject.html

R4 has no element for the reason of an end (R5: ``progress.reason``), so the reason becomes an
Observation whose focus is the ResearchSubject.
"""

from __future__ import annotations

from mappings.context import Context, Resource
from mappings.entities import Disposition, Key, Subject
from mappings.observation import measured_code
from mappings.values import concepts, in_study, period, typed_identifier


def research_subject(subject: Subject, to: Context, *, consent: Key | None = None) -> Resource:
    """The participation of a subject in the study; a disposition ends it."""
    end = subject.disposition
    return to.resource(
        "ResearchSubject",
        key=subject.key,
        identifier=[
            typed_identifier(
                to.identifier("ResearchSubject", subject.key),
                "v2-0203",
                "ANON",
                "Anonymous identifier",
            )
        ],
        status=end.status if end else subject.status,
        period=period(subject.enrolled, end.date if end else None),
        study=to.reference("ResearchStudy", to.study),
        individual=to.reference("Patient", subject.key),
        assignedArm=subject.arm,
        actualArm=subject.arm,
        consent=consent and to.reference("Consent", consent),
    )


def end_of_participation(end: Disposition, to: Context) -> list[Resource]:
    """Why a participation ended, as an Observation; nothing without a reason."""
    if end.reason is None:
        return []
    category = to.tables["measurement"].rows("end-of-participation")[0].category
    return [
        to.resource(
            "Observation",
            key=end.key,
            kind="disposition",
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
