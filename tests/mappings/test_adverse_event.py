from __future__ import annotations

from dataclasses import replace

import pytest
from child_record import CHILD, EVENT, RELEASES, TREATMENT, default_context

from adapter.validation import Validator
from mappings import Context
from mappings.adverse_event import adverse_event
from mappings.entities import Event

DOSE, SECOND = TREATMENT.key, EVENT.suspects[0].treatment
VALIDATORS = {release: Validator(release) for release in RELEASES}


def test_a_serious_fever(to: Context) -> None:
    resource = adverse_event(EVENT, to)
    assert resource["actuality"] == "actual"
    assert resource["event"]["coding"][0]["code"] == "386661006"
    assert (resource["date"], resource["recordedDate"]) == ("2024-03-04", "2024-03-05")
    serious = [coding["code"] for coding in resource["seriousness"]["coding"]]
    assert serious == ["serious", "C83052", "C84266"]
    assert resource["severity"]["coding"][0]["code"] == "moderate"
    assert resource["study"] == [to.reference("ResearchStudy", to.study)]
    assert isinstance(resource["identifier"], dict)  # 0..1 in R4


def test_the_outcome_has_the_one_coding_r4_requires(to: Context) -> None:
    assert adverse_event(EVENT, to)["outcome"]["coding"] == [
        {
            "system": "http://terminology.hl7.org/CodeSystem/adverse-event-outcome",
            "code": "resolved",
            "display": "Resolved",
        }
    ]


def test_the_suspected_treatment(to: Context) -> None:
    suspect, _ = adverse_event(EVENT, to)["suspectEntity"]
    assert suspect["instance"] == to.reference("MedicationAdministration", TREATMENT.key)
    assert suspect["causality"][0]["assessment"]["coding"][0]["code"] == "possible"


@pytest.mark.parametrize("release", RELEASES)
def test_each_suspected_treatment_has_a_causality_of_its_own(release: str) -> None:
    to = default_context(release=release)
    suspects = adverse_event(EVENT, to)["suspectEntity"]
    related = [
        each["causality"]["entityRelatedness"] if to.r5 else each["causality"][0]["assessment"]
        for each in suspects
    ]
    codes = [each["coding"][0]["code"] for each in related]
    assert codes == (["C53258", "C53257"] if to.r5 else ["possible", "unlikely"])
    given = [each["instanceReference" if to.r5 else "instance"] for each in suspects]
    assert given == [to.reference("MedicationAdministration", key) for key in (DOSE, SECOND)]


def test_causality_without_a_known_treatment(to: Context) -> None:
    lone = replace(EVENT, suspect=None, suspects=())
    (suspect,) = adverse_event(lone, to)["suspectEntity"]
    assert suspect["instance"] == {"display": "Intervention of the study"}


def test_end_and_grade_stand_in_the_resulting_condition(to: Context) -> None:
    resource = adverse_event(EVENT, to)
    (condition,) = resource["contained"]
    assert resource["resultingCondition"] == [{"reference": f"#{condition['id']}"}]
    assert condition["abatementDateTime"] == "2024-03-06"
    assert condition["clinicalStatus"]["coding"][0]["code"] == "resolved"
    assert condition["severity"]["coding"][0]["code"] == "C41339"


@pytest.mark.parametrize(
    ("outcome", "ended", "r4", "r5"),
    [
        ("resolved", None, "resolved", "resolved"),
        ("resolved-with-sequelae", None, "resolved", "resolved"),
        ("ongoing", None, "active", "active"),
        ("recovering", None, "active", "active"),
        ("ongoing", "2024-03-06", "resolved", "resolved"),
        ("fatal", None, None, "unknown"),
        ("fatal", "2024-03-06", "inactive", "inactive"),
        ("unknown", None, None, "unknown"),
        (None, None, None, "unknown"),
        (None, "2024-03-06", "resolved", "resolved"),
    ],
)
def test_what_resulted_is_as_the_outcome_says(
    outcome: str | None, ended: str | None, r4: str | None, r5: str
) -> None:
    event = replace(EVENT, outcome=outcome, ended=ended)
    for release, status in (("R4", r4), ("R4B", r4), ("R5", r5)):
        resource = adverse_event(event, default_context(release=release))
        (condition,) = resource["contained"]
        coded = condition.get("clinicalStatus", {"coding": [{"code": None}]})
        assert coded["coding"][0]["code"] == status
        assert VALIDATORS[release].is_valid(resource)


def test_whether_it_was_expected(to: Context) -> None:
    (category,) = adverse_event(EVENT, to)["category"]
    assert category["coding"][0]["code"] == "unexpected"
    assert "category" not in adverse_event(replace(EVENT, expected=None), to)


def test_a_mild_event_of_which_little_is_known(to: Context) -> None:
    resource = adverse_event(Event(key=("e",), subject=CHILD, term="rash", onset="2024-03"), to)
    absent = {"contained", "seriousness", "suspectEntity", "severity", "outcome", "encounter"}
    assert absent.isdisjoint(resource)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("serious", "criteria", "said"),
    [
        (None, (), None),
        (False, (), ["non-serious"]),
        (None, ("death",), ["serious", "C48275"]),
    ],
)
def test_nobody_is_said_to_be_well_because_nobody_said_anything(
    release: str, serious: bool | None, criteria: tuple[str, ...], said: list[str] | None
) -> None:
    event = replace(EVENT, serious=serious, criteria=criteria)
    resource = adverse_event(event, default_context(release=release))
    coded = resource.get("seriousness")
    assert (coded and [each["code"] for each in coded["coding"]]) == said
    assert VALIDATORS[release].is_valid(resource)


@pytest.mark.parametrize("release", RELEASES)
def test_the_gate_refuses_criteria_of_what_is_not_serious(release: str) -> None:
    resource = adverse_event(replace(EVENT, serious=False), default_context(release=release))
    assert "study-ae-1" in {each.constraint for each in VALIDATORS[release].validate(resource)}


def test_a_meddra_term_is_passed_on(to: Context) -> None:
    coded = replace(
        EVENT, term="other", meddra="10016558", meddra_term="Fever", meddra_version="27.1"
    )
    resource = adverse_event(coded, to)
    what = resource["code" if to.r5 else "event"]
    assert what["text"] == "Fever"
    assert what["coding"][-1] == {
        "system": "https://www.meddra.org",
        "version": "27.1",
        "code": "10016558",
        "display": "Fever",
    }
