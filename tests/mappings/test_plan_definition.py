"""Arms and interventions -> PlanDefinition and ActivityDefinition."""

from __future__ import annotations

from typing import Any

from registry_records import context

from mappings.activity_definition import activity_definition
from mappings.entities import Arm, Intervention, Study
from mappings.plan_definition import plan_definition

CONTEXT = context()
DRUG = Intervention(name="exosomes", kind="DRUG", other_names=("MSC-Exo",))
DIET = Intervention(name="milk", kind="DIETARY_SUPPLEMENT", arms=("second",))
ARMS = (
    Arm(key=("1",), name="first", interventions=("Drug: exosomes", "Device: unheard of")),
    Arm(key=("2",), name="second"),
)


def study(**parts: Any) -> Study:
    return Study(key=("NCT05862675",), title="A study", status="RECRUITING", **parts)


def actions(of: Study) -> dict[str, list[str]]:
    plan = plan_definition(of, CONTEXT) or {}
    return {a["title"]: [b["title"] for b in a.get("action", ())] for a in plan["action"]}


def test_arms_hold_what_either_side_links() -> None:
    assert actions(study(arms=ARMS, interventions=(DRUG, DIET))) == {
        "first": ["Drug: exosomes", "Device: unheard of"],
        "second": ["Dietary Supplement: milk"],
    }


def test_an_intervention_without_arm_stands_alone() -> None:
    assert actions(study(interventions=(DRUG,))) == {"Drug: exosomes": []}


def test_a_study_without_both_has_no_plan() -> None:
    assert plan_definition(study(), CONTEXT) is None


def test_an_action_names_its_activity() -> None:
    of = study(arms=ARMS[:1], interventions=(DRUG,))
    plan = plan_definition(of, CONTEXT) or {}
    activity = activity_definition(of, DRUG, CONTEXT)
    assert plan["action"][0]["action"][0]["definitionCanonical"] == activity["url"]
    assert activity["topic"] == [{"text": "MSC-Exo"}]


def test_interventions_of_one_name_stay_apart() -> None:
    twins = (
        Intervention(name="dose", kind="DRUG", description="once daily"),
        Intervention(name="dose", kind="DRUG", description="twice daily"),
    )
    of = study(interventions=twins)
    ids = {activity_definition(of, each, CONTEXT)["id"] for each in twins}
    assert len(ids) == 2
