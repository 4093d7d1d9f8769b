"""Eligibility -> Group: ages in UCUM, criteria one by one, text as it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from registry_records import context

from mappings.entities import Eligibility, Study
from mappings.group import DESCRIPTION, eligibility_group


def group(**eligibility: Any) -> dict[str, Any]:
    who = Eligibility(**eligibility)
    study = Study(key=("NCT05862675",), title="A study", status="RECRUITING", eligibility=who)
    return eligibility_group(study, context()) or {}


def values(found: dict[str, Any]) -> list[tuple[str, Any, bool]]:
    return [
        (
            each["code"]["coding"][-1]["code"],
            next(value for key, value in each.items() if key.startswith("value")),
            each["exclude"],
        )
        for each in found.get("characteristic", ())
    ]


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [("1 Year", "1", "a"), ("8 Months", "8", "mo"), ("2 Weeks", "2", "wk"), ("1 Day", "1", "d")],
)
def test_age(text: str, value: str, unit: str) -> None:
    ((field, found, exclude),) = values(group(minimum_age=text))
    assert field == "age"
    assert exclude is False
    assert found["low"]["value"] == Decimal(value)
    assert found["low"]["code"] == unit
    (characteristic,) = group(minimum_age=text)["characteristic"]
    assert characteristic["code"]["text"] == f"Age: {text}"
    assert "high" not in found


def test_an_age_in_other_words_stays_text() -> None:
    assert values(group(maximum_age="adolescence")) == [
        ("maximumAge", {"text": "adolescence"}, False)
    ]


def test_criteria_are_included_or_excluded_and_the_text_is_kept() -> None:
    found = group(criteria="Inclusion...", inclusion=("ill",), exclusion=("too ill",))
    assert found["extension"] == [{"url": DESCRIPTION, "valueMarkdown": "Inclusion..."}]
    assert found["actual"] is False
    assert values(found) == [
        ("inclusionCriterion", {"text": "ill"}, False),
        ("exclusionCriterion", {"text": "too ill"}, True),
    ]


def test_false_is_kept() -> None:
    assert values(group(healthy_volunteers=False)) == [("healthyVolunteers", False, False)]


def test_nobody_said_who_may_take_part() -> None:
    study = Study(key=("NCT05862675",), title="A study", status="RECRUITING")
    assert eligibility_group(study, context()) is None
