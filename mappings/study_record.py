"""A study with all that its registration and its folder say -> FHIR resources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mappings.activity_definition import activity_definition
from mappings.context import Context, Resource
from mappings.entities import Cohort, Entity, Form, Product, Study
from mappings.group import cohort_group, eligibility_group
from mappings.location import location
from mappings.organization import organization_keys, organizations
from mappings.plan_definition import plan_definition
from mappings.practitioner import practitioners
from mappings.questionnaire import questionnaire
from mappings.research_study import research_study, site_study


def map_study(
    study: Study, products: Sequence[Product], forms: Sequence[Form], context: Context
) -> list[tuple[Entity, Resource]]:
    """The study-level resources, each once, beside the entity that they come from.

    Medications are not among them: ``map_entity`` makes them of each product.
    """
    found: dict[str, tuple[Entity, Resource]] = {}
    for entity, resource in _resources(study, products, forms, context):
        found.setdefault(f"{resource['resourceType']}/{resource['id']}", (entity, resource))
    return list(found.values())


def map_cohort(cohorts: Sequence[Cohort], context: Context) -> list[Resource]:
    """A Group of Patients for each arm."""
    return [cohort_group(cohort, context) for cohort in cohorts]


def _resources(
    study: Study, products: Sequence[Product], forms: Sequence[Form], to: Context
) -> Iterator[tuple[Entity, Resource]]:
    keys = organization_keys(study)
    yield from organizations(study, to)
    for site in study.sites:
        yield site, location(site, to)
    yield from practitioners(study, keys, to)
    for intervention in study.interventions:
        yield study, activity_definition(study, intervention, to)
    for made in (plan_definition(study, to), eligibility_group(study, to)):
        if made:
            yield study, made
    yield study, research_study(study, products, keys, to)
    for site in study.sites:
        if site.status:
            yield site, site_study(study, site, to)
    for form in forms:
        yield form, questionnaire(form, to)
