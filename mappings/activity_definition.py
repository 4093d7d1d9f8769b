"""Intervention -> ActivityDefinition.  https://hl7.org/fhir/R4/activitydefinition.html"""

from __future__ import annotations

from mappings.context import CANONICAL, Context, Resource
from mappings.entities import Intervention, Key, Study
from mappings.registry_terms import registry_concept


def activity_definition(study: Study, intervention: Intervention, to: Context) -> Resource:
    """What is done in an arm; other names of it are topics, so that a search finds them."""
    kind = registry_concept(to, "InterventionType", intervention.kind)
    return to.resource(
        "ActivityDefinition",
        key=intervention_key(study, intervention),
        url=activity_url(study, intervention, to),
        title=intervention.name,
        status="active",
        description=intervention.description,
        topic=[{"text": name} for name in intervention.other_names],
        code={"coding": kind["coding"], "text": label(intervention, to)},
    )


def intervention_key(study: Study, intervention: Intervention) -> Key:
    """The key of an intervention: type and name, and its number among those that share them."""
    name = (intervention.kind, intervention.name)
    number = [i for i in study.interventions if (i.kind, i.name) == name].index(intervention) + 1
    return (*study.key, *name, *([str(number)] if number > 1 else []))


def activity_url(study: Study, intervention: Intervention, to: Context) -> str:
    """The canonical URL of an intervention's ActivityDefinition."""
    key = intervention_key(study, intervention)
    return f"{CANONICAL}/ActivityDefinition/{to.id('ActivityDefinition', key)}"


def label(intervention: Intervention, to: Context) -> str:
    """The intervention as the registry's arms name it, such as ``Drug: Aspirin``."""
    kind = registry_concept(to, "InterventionType", intervention.kind)
    return f"{kind['text']}: {intervention.name}"
