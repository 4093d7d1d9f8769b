"""One subject's entities -> that subject's resources, as a pure function.

What one entity's mapping needs of another is looked up here: the hospital, the diagnoses of a
visit, the consent, the end of the participation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mappings import entities as e
from mappings.adverse_event import adverse_event
from mappings.condition import condition
from mappings.consent import consents
from mappings.context import Context, Resource
from mappings.diagnostic_report import diagnostic_report
from mappings.document_reference import document_reference
from mappings.encounter import encounter
from mappings.medication_administration import medication_administration
from mappings.observation import observation
from mappings.patient import patient
from mappings.procedure import procedure
from mappings.questionnaire_response import questionnaire_response
from mappings.related_person import related_person
from mappings.research_subject import end_of_participation, research_subject
from mappings.specimen import specimens
from mappings.withdrawal import end_by_consent


@dataclass(frozen=True, slots=True)
class Partition:
    """What the mapping of one entity may know of the subject's other entities."""

    site: e.Key | None = None
    sites: Mapping[e.Key, e.Key] = field(default_factory=dict)  # of the visits that name one
    consents: Sequence[e.Consent] = ()
    disposition: e.Disposition | None = None
    diagnoses: Mapping[e.Key, Sequence[e.Diagnosis]] = field(default_factory=dict)

    def site_of(self, visit: e.Key | None) -> e.Key | None:
        """The hospital of a visit; the subject's where the visit names none."""
        return self.sites.get(visit, self.site) if visit else self.site


def map_subject(
    entities: Sequence[e.SubjectEntity], context: Context
) -> list[tuple[e.SubjectEntity, Resource]]:
    """Every resource of one subject, with the entity it came from; order follows the entities.

    Raises KeyError for an unknown term, ValueError for a unit that its code is not known in and
    for two different resources with one id.
    """
    partition = _partition(entities)
    found: dict[tuple[str, str], tuple[e.SubjectEntity, Resource]] = {}
    for entity in entities:
        for resource in MAPPINGS[type(entity)](entity, context, partition):
            reference = (resource["resourceType"], resource["id"])
            if reference in found and found[reference][1] != resource:
                raise ValueError(f"two entities make different {'/'.join(reference)}")
            found[reference] = (entity, resource)
    return list(found.values())


def _partition(entities: Sequence[e.SubjectEntity]) -> Partition:
    subject = next((each for each in entities if isinstance(each, e.Subject)), None)
    diagnoses: dict[e.Key, list[e.Diagnosis]] = {}
    for each in entities:
        if isinstance(each, e.Diagnosis) and each.visit:
            diagnoses.setdefault(each.visit, []).append(each)
    return Partition(
        site=subject.site if subject else None,
        sites={v.key: v.site for v in entities if isinstance(v, e.Visit) and v.site},
        consents=[each for each in entities if isinstance(each, e.Consent)],
        disposition=next((each for each in entities if isinstance(each, e.Disposition)), None),
        diagnoses=diagnoses,
    )


def _subject(subject: e.Subject, to: Context, of: Partition) -> list[Resource]:
    end = of.disposition or subject.disposition or end_by_consent(of.consents)
    subject = replace(subject, disposition=end)
    return [
        patient(subject, to),
        research_subject(subject, to, consents=of.consents),
        *(end_of_participation(end, to) if end else ()),
    ]


def _visit(visit: e.Visit, to: Context, of: Partition) -> list[Resource]:
    return [encounter(visit, to, diagnoses=of.diagnoses.get(visit.key, ()), site=of.site)]


def _sequencing(result: e.SequencingResult, to: Context, of: Partition) -> list[Resource]:
    report = diagnostic_report(result, to, site=of.site_of(result.visit))
    return [*report, *document_reference(result, to)]


MAPPINGS: Mapping[type, Callable[[Any, Context, Partition], list[Resource]]] = {
    e.Subject: _subject,
    e.Disposition: lambda it, to, _: end_of_participation(it, to),
    e.Consent: lambda it, to, _: [*related_person(it, to), *consents(it, to)],
    e.Visit: _visit,
    e.Diagnosis: lambda it, to, _: [condition(it, to)],
    e.Measurement: lambda it, to, of: [observation(it, to, site=of.site_of(it.visit))],
    e.Sample: lambda it, to, _: specimens(it, to),
    e.Treatment: lambda it, to, _: [medication_administration(it, to)],
    e.Support: lambda it, to, _: [procedure(it, to)],
    e.Answers: lambda it, to, _: [questionnaire_response(it, to)],
    e.SequencingResult: _sequencing,
    e.Event: lambda it, to, _: [adverse_event(it, to)],
}
