"""Study -> PlanDefinition: an action for each arm, within it one for each of its interventions.

https://hl7.org/fhir/R4/plandefinition.html
"""

from __future__ import annotations

from mappings.activity_definition import activity_url, label
from mappings.context import CANONICAL, Context, Resource, fields
from mappings.entities import Arm, Intervention, Study

CLINICAL_PROTOCOL = {
    "system": "http://terminology.hl7.org/CodeSystem/plan-definition-type",
    "code": "clinical-protocol",
    "display": "Clinical Protocol",
}


def plan_definition(study: Study, to: Context) -> Resource | None:
    """The protocol: what is done in which arm. None for a study that says no such thing."""
    if not has_protocol(study):
        return None
    by_label = {label(each, to).lower(): each for each in study.interventions}
    actions = [_arm(study, arm, by_label, to) for arm in study.arms]
    arms = {arm.name for arm in study.arms}
    loose = [each for each in study.interventions if not arms.intersection(each.arms)]
    named = {name.lower() for arm in study.arms for name in arm.interventions}
    actions += [_action(study, i, to) for i in loose if label(i, to).lower() not in named]
    return to.resource(
        "PlanDefinition",
        key=study.key,
        url=f"{CANONICAL}/PlanDefinition/{to.id('PlanDefinition', study.key)}",
        name=f"Protocol_{study.key[0]}",
        title=study.title,
        type_={"coding": [CLINICAL_PROTOCOL]},
        status="active",
        action=actions,
    )


def has_protocol(study: Study) -> bool:
    """Whether a study says what is done in it: the names of its arms alone do not."""
    said = any(arm.kind or arm.description or arm.interventions for arm in study.arms)
    return said or bool(study.interventions)


def _arm(study: Study, arm: Arm, by_label: dict[str, Intervention], to: Context) -> Resource:
    found = {name: by_label.get(name.lower()) for name in arm.interventions}
    actions = [_action(study, i, to) if i else {"title": name} for name, i in found.items()]
    also = [i for i in study.interventions if arm.name in i.arms and i not in found.values()]
    return fields(
        title=arm.name,
        description=arm.description,
        action=actions + [_action(study, each, to) for each in also],
    )


def _action(study: Study, intervention: Intervention, to: Context) -> Resource:
    return {
        "title": label(intervention, to),
        "definitionCanonical": activity_url(study, intervention, to),
    }
