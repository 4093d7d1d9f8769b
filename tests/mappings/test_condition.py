from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from child_record import DIAGNOSIS, STAY

from mappings import Context, Resource
from mappings.condition import condition


def codes(concepts: list[Resource]) -> list[Any]:
    return [concept["coding"][0]["code"] for concept in concepts]


def test_pneumonia_in_snomed_and_icd_10(to: Context) -> None:
    resource = condition(DIAGNOSIS, to)
    assert [(c["system"], c["code"]) for c in resource["code"]["coding"]] == [
        ("http://snomed.info/sct", "233604007"),
        ("http://hl7.org/fhir/sid/icd-10", "J18.9"),
    ]
    assert resource["severity"]["coding"][0]["code"] == "24484000"
    assert resource["encounter"] == to.reference("Encounter", STAY)
    assert (resource["onsetDateTime"], resource["recordedDate"]) == ("2024-02-20", "2024-03-01")


@pytest.mark.parametrize(
    ("status", "ended", "expected"),
    [
        ("active", None, "active"),
        ("active", "2024-03-14", "resolved"),
        ("relapse", "2024-03-14", "resolved"),
        ("remission", "2024-03-14", "remission"),
    ],
)
def test_what_has_ended_is_not_active(
    status: str, ended: str | None, expected: str, to: Context
) -> None:
    resource = condition(replace(DIAGNOSIS, status=status, ended=ended), to)
    assert resource["clinicalStatus"]["coding"][0]["code"] == expected
    assert resource.get("abatementDateTime") == ended


def test_the_role_stands_in_the_encounter_or_without_one_in_the_category(to: Context) -> None:
    assert codes(condition(DIAGNOSIS, to)["category"]) == ["encounter-diagnosis"]
    alone = replace(DIAGNOSIS, visit=None)
    assert codes(condition(alone, to)["category"]) == ["encounter-diagnosis", "DD"]
    comorbidity = replace(alone, role="comorbidity")
    assert codes(condition(comorbidity, to)["category"]) == ["problem-list-item", "CM"]


def test_a_diagnosis_may_be_provisional(to: Context, r5: Context) -> None:
    provisional = replace(DIAGNOSIS, verification="provisional")
    for context in (to, r5):
        status = condition(provisional, context)["verificationStatus"]
        assert status["coding"][0]["code"] == "provisional"
