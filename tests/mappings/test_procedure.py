from __future__ import annotations

from dataclasses import replace

import pytest
from child_record import STAY, SUPPORT

from mappings import Context
from mappings.procedure import procedure


def test_high_flow_oxygen(to: Context) -> None:
    resource = procedure(SUPPORT, to)
    assert resource["code"]["coding"][0]["code"] == "1259025002"
    assert resource["performedPeriod"] == {"start": "2024-03-01", "end": "2024-03-05"}
    assert resource["encounter"] == to.reference("Encounter", STAY)


@pytest.mark.parametrize(
    ("mode", "category"),
    [("nasal-cannula", "57485005"), ("invasive", "40617009"), ("ecmo", "277132007")],
)
def test_oxygen_therapy_and_ventilation_are_told_apart(
    mode: str, category: str, to: Context
) -> None:
    resource = procedure(replace(SUPPORT, mode=mode), to)
    assert resource["category"]["coding"][0]["code"] == category


def test_support_that_goes_on(to: Context) -> None:
    resource = procedure(replace(SUPPORT, end=None), to)
    assert resource["performedPeriod"] == {"start": "2024-03-01"}
    assert resource["status"] == "in-progress"
    assert procedure(SUPPORT, to)["status"] == "completed"
    assert procedure(replace(SUPPORT, status="stopped"), to)["status"] == "stopped"


def test_high_flow_in_r5(r5: Context) -> None:
    resource = procedure(SUPPORT, r5)
    assert resource["occurrencePeriod"] == {"start": "2024-03-01", "end": "2024-03-05"}
    assert resource["category"][0]["coding"][0]["code"] == "57485005"
    assert resource["used"][0]["concept"]["coding"][0]["code"] == "426854004"


def test_the_device_in_use(to: Context) -> None:
    assert procedure(SUPPORT, to)["usedCode"][0]["coding"][0]["code"] == "426854004"
    assert "usedCode" not in procedure(replace(SUPPORT, mode="ecmo"), to)
