"""Any study entity -> its FHIR resources."""

from __future__ import annotations

from mappings.context import Context, Resource
from mappings.entities import Entity, Form, Product, Site, Study
from mappings.location import location
from mappings.medication import medication
from mappings.organization import site_organization
from mappings.questionnaire import questionnaire
from mappings.study_record import map_study
from mappings.subject_record import map_subject


def map_entity(entity: Entity, context: Context) -> list[Resource]:
    """The resources of one entity, on its own.

    Raises KeyError for an unknown term and ValueError for a unit that its code is not known in.
    """
    if isinstance(entity, Study):
        return [resource for _, resource in map_study(entity, (), (), context)]
    if isinstance(entity, Site):
        named = [site_organization(entity, None, context)] if entity.name else []
        return [*named, location(entity, context)]
    if isinstance(entity, Form):
        return [questionnaire(entity, context)]
    if isinstance(entity, Product):
        return [medication(entity, context)]
    return [resource for _, resource in map_subject([entity], context)]
