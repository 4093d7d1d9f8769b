from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from child_record import CHILD, DIAGNOSIS, SITE, VISIT

from mappings import Context
from mappings.encounter import days, encounter


def test_a_stay_in_hospital(to: Context) -> None:
    resource = encounter(VISIT, to)
    assert resource["status"] == "finished"
    assert resource["class"]["code"] == "IMP"
    assert resource["period"]["end"] == "2024-03-15"
    assert resource["length"]["value"] == Decimal(14)
    assert resource["length"]["code"] == "d"
    number = resource["identifier"][1]
    assert (number["type"]["coding"][0]["code"], number["value"]) == ("VN", "s0123456789")
    assert resource["reasonCode"][0]["coding"][0]["code"] == "233604007"
    home = resource["hospitalization"]["dischargeDisposition"]["coding"][0]["code"]
    assert home == "home"


def test_a_visit_names_its_own_hospital_or_takes_the_subjects(to: Context) -> None:
    branch = to.reference("Organization", ("branch",))
    assert encounter(VISIT, to, site=SITE)["serviceProvider"] == branch
    inherited = encounter(replace(VISIT, site=None), to, site=SITE)
    assert inherited["serviceProvider"] == to.reference("Organization", SITE)
    assert inherited["location"] == [{"location": to.reference("Location", SITE)}]
    assert "serviceProvider" not in encounter(replace(VISIT, site=None), to)


def test_diagnoses_are_ranked_within_their_role(to: Context) -> None:
    second = replace(DIAGNOSIS, key=(*CHILD, "2"))
    other = replace(DIAGNOSIS, key=(*CHILD, "3"), role="comorbidity")
    resource = encounter(VISIT, to, diagnoses=(DIAGNOSIS, other, second))
    found = [(d["use"]["coding"][0]["code"], d["rank"]) for d in resource["diagnosis"]]
    assert found == [("DD", 1), ("CM", 1), ("DD", 2)]
    assert resource["diagnosis"][0]["condition"] == to.reference("Condition", DIAGNOSIS.key)


@pytest.mark.parametrize(
    ("kind", "end", "status"),
    [
        ("inpatient", None, "in-progress"),
        ("outpatient", None, "finished"),
        ("inpatient", "2024-03-02", "finished"),
    ],
)
def test_status(kind: str, end: str | None, status: str, to: Context) -> None:
    assert encounter(replace(VISIT, kind=kind, end=end), to)["status"] == status


@pytest.mark.parametrize(
    ("start", "end", "length"),
    [
        ("2024-02-28", "2024-03-01", 2),
        ("2024-03-01T23:00:00+08:00", "2024-03-02T01:00:00+08:00", 1),
        ("2024-03-01", "2024-03-01", 0),
        ("2024-03", "2024-03-02", None),
        ("2024-03-01", None, None),
    ],
)
def test_length_in_calendar_days(start: str, end: str | None, length: int | None) -> None:
    assert days(start, end) == length


def test_a_stay_in_r5(r5: Context) -> None:
    comorbidity = replace(DIAGNOSIS, key=(*CHILD, "3"), role="comorbidity")
    resource = encounter(VISIT, r5, diagnoses=(DIAGNOSIS, comorbidity))
    assert resource["status"] == "completed"
    assert resource["class"][0]["coding"][0]["code"] == "IMP"
    assert resource["actualPeriod"]["end"] == "2024-03-15"
    (reason,) = resource["reason"]
    assert reason["value"][0]["concept"]["coding"][0]["code"] == "233604007"
    assert resource["admission"]["dischargeDisposition"]["coding"][0]["code"] == "home"
    main, other = resource["diagnosis"]
    assert main["condition"] == [{"reference": r5.reference("Condition", DIAGNOSIS.key)}]
    assert [use["coding"][0]["code"] for use in main["use"]] == ["final", "DD"]
    assert [use["coding"][0]["code"] for use in other["use"]] == ["final", "CM"]
