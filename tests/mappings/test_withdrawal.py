"""Since when a subject has withdrawn, and what that says of its participation."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import get_args

import pytest
from child_record import CONSENT, DISPOSITION, SUBJECT

from mappings import Context, Resource
from mappings.entities import Consent, Disposition, Sample, Subject, SubjectEntity
from mappings.subject_record import map_subject
from mappings.terms import DATE_FIELDS
from mappings.withdrawal import DATES, date_of, is_before, withdrawals


def participation(to: Context, *entities: SubjectEntity) -> Resource:
    [found] = [r for _, r in map_subject(entities, to) if r["resourceType"] == "ResearchSubject"]
    return found


def test_a_withdrawn_consent_ends_the_participation(to: Context, r5: Context) -> None:
    found = participation(to, SUBJECT, CONSENT)
    assert found["status"] == "withdrawn"
    assert found["period"] == {"start": "2024-03-01", "end": "2024-05-01"}
    *_, last = participation(r5, SUBJECT, CONSENT)["progress"]
    assert last["subjectState"]["coding"][0]["code"] == "withdrawn"
    assert last["startDate"] == "2024-05-01"


def test_a_standing_consent_ends_nothing(to: Context) -> None:
    found = participation(to, SUBJECT, replace(CONSENT, withdrawn=None))
    assert found["status"] == "on-study"
    assert "end" not in found["period"]


def test_a_disposition_says_otherwise(to: Context) -> None:
    end = replace(DISPOSITION, status="off-study", date="2024-04-20")
    found = participation(to, SUBJECT, CONSENT, end)
    assert (found["status"], found["period"]["end"]) == ("off-study", "2024-04-20")


def test_who_consents_again_is_back(to: Context) -> None:
    again = replace(CONSENT, key=("again",), date="2024-06-01", withdrawn=None)
    assert withdrawals([CONSENT, again]) == [("2024-05-01", "2024-06-01")]
    assert participation(to, SUBJECT, CONSENT, again)["status"] == "on-study"
    for no_return in (
        replace(again, date="2024-05-01"),  # whether after the withdrawal cannot be told
        replace(again, date="2024-05"),
        replace(again, decision="deny"),
        replace(again, assent="deny"),
    ):
        assert withdrawals([CONSENT, no_return]) == [("2024-05-01", None)]
    twice = replace(again, withdrawn="2024-07-01")
    assert participation(to, SUBJECT, CONSENT, twice)["period"]["end"] == "2024-07-01"


@pytest.mark.parametrize(
    ("one", "other", "before"),
    [
        ("2024-05-01", "2024-05-02", True),
        ("2024-05-01", "2024-05-01T23:59:00+08:00", False),  # the same day
        ("2024-05-01T08:00:00+08:00", "2024-05-02", True),
        ("2024-05-01", "2024-05", False),  # cannot be told
        ("2024-05-01", "2024-06", True),
        ("2024-05-01", "2024", False),
        ("2024", "2025-01", True),
    ],
)
def test_dates_compare_at_the_precision_they_share(one: str, other: str, before: bool) -> None:
    assert is_before(one, other) is before


def test_every_entity_has_its_date() -> None:
    assert set(DATES) == {*get_args(SubjectEntity)} - {Subject, Consent, Disposition}
    for entity, names in DATES.items():
        known = {field.name for field in dataclasses.fields(entity)}
        assert known.issuperset(names)
        assert DATE_FIELDS.issuperset(names)
    assert date_of(SUBJECT) is None
    sample = Sample(key=("s",), subject=("01",), material="serum", received="2024-05")
    assert date_of(sample) == "2024-05"
    assert date_of(replace(sample, collected="2024-04-30")) == "2024-04-30"
