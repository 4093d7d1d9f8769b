from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from child_record import CHILD, MEASUREMENT, SITE, measured

from mappings import Context, Resource
from mappings.entities import Component
from mappings.observation import observation


def codings(concept: Resource) -> list[str]:
    return [coding["code"] for coding in concept["coding"]]


def categories(resource: Resource) -> list[str]:
    return [each["coding"][0]["code"] for each in resource["category"]]


def test_a_laboratory_result(to: Context) -> None:
    resource = observation(MEASUREMENT, to, site=SITE)
    assert resource["status"] == "final"
    assert categories(resource) == ["laboratory"]
    assert codings(resource["code"]) == ["1988-5"]
    assert resource["valueQuantity"] == {
        "value": Decimal("0.50"),
        "comparator": "<",
        "unit": "mg/L",
        "system": "http://unitsofmeasure.org",
        "code": "mg/L",
    }
    assert str(resource["valueQuantity"]["value"]) == "0.50"  # precision is clinical content
    assert resource["referenceRange"][0]["high"]["value"] == Decimal(8)
    assert "comparator" not in resource["referenceRange"][0]["high"]
    assert resource["interpretation"][0]["coding"][0]["code"] == "H"
    assert resource["specimen"] == to.reference("Specimen", (*CHILD, "serum"))
    assert resource["performer"] == [to.reference("Organization", SITE)]
    assert resource["partOf"] == [to.reference("Procedure", (*CHILD, "o2"))]


def test_the_code_follows_the_unit(to: Context) -> None:
    assert codings(observation(measured("creatinine", "32", "umol/L"), to)["code"]) == ["14682-9"]
    assert codings(observation(measured("creatinine", "0.4", "mg/dL"), to)["code"]) == ["2160-0"]
    absent = observation(measured("creatinine", absent="not-performed"), to)
    assert codings(absent["code"]) == ["14682-9"]


@pytest.mark.parametrize("unit", ["mmol/L", None])
def test_a_value_in_a_unit_nobody_reviewed_is_refused(unit: str | None, to: Context) -> None:
    with pytest.raises(ValueError, match="'creatinine' is known in umol/L, mg/dL"):
        observation(measured("creatinine", "32", unit), to)


def test_spo2_leads_with_the_code_its_profile_asks_for(to: Context) -> None:
    resource = observation(measured("spo2", "94", "%"), to)
    assert codings(resource["code"]) == ["2708-6", "59408-5", "431314004"]
    assert categories(resource) == ["vital-signs"]


def test_blood_pressure_is_a_panel(to: Context) -> None:
    parts = (
        Component(code="systolic", value=Decimal(98), unit="mm[Hg]"),
        Component(code="diastolic", value=Decimal(60), unit="mm[Hg]"),
    )
    resource = observation(measured("blood-pressure", components=parts), to)
    assert codings(resource["code"]) == ["85354-9"]
    found = [(codings(c["code"])[0], c["valueQuantity"]["value"]) for c in resource["component"]]
    assert found == [("8480-6", Decimal(98)), ("8462-4", Decimal(60))]


def test_a_missing_part_of_the_panel_says_so(to: Context) -> None:
    parts = (Component(code="diastolic", value=Decimal(60), unit="mm[Hg]"),)
    resource = observation(measured("blood-pressure", components=parts), to)
    diastolic, systolic = resource["component"]
    assert diastolic["valueQuantity"]["value"] == Decimal(60)
    assert codings(systolic["code"]) == ["8480-6"]
    assert codings(systolic["dataAbsentReason"]) == ["unknown"]


def test_a_lone_systolic_pressure_stands_in_its_panel(to: Context) -> None:
    resource = observation(measured("systolic", "98", "mm[Hg]", high=Decimal(110)), to)
    assert codings(resource["code"]) == ["85354-9"]
    assert "valueQuantity" not in resource
    systolic, diastolic = resource["component"]
    assert systolic["valueQuantity"]["value"] == Decimal(98)
    assert systolic["referenceRange"][0]["high"]["value"] == Decimal(110)
    assert "dataAbsentReason" in diastolic


def test_fio2_has_the_code_whose_check_digit_is_right(to: Context) -> None:
    assert codings(observation(measured("fio2", "40", "%"), to)["code"]) == ["3150-0", "250774007"]
    assert codings(observation(measured("oxygen-flow", "2", "L/min"), to)["code"]) == ["3151-8"]


def test_spirometry_carries_percent_predicted_and_z_score(to: Context) -> None:
    parts = (
        Component(code="fev1-percent-predicted", value=Decimal(82), unit="%"),
        Component(code="fev1-z-score", value=Decimal("-1.4"), unit="{z-score}"),
    )
    resource = observation(measured("fev1", "1.02", "L", components=parts), to)
    assert categories(resource) == ["procedure", "PF"]
    assert [codings(c["code"])[0] for c in resource["component"]] == ["20152-5", "fev1-z-score"]


def test_coded_and_yes_no_results(to: Context) -> None:
    support = observation(measured("respiratory-support-status", term="room-air"), to)
    assert codings(support["valueCodeableConcept"]) == ["722742002"]
    assert observation(measured("oxygen-weaned", flag=False), to)["valueBoolean"] is False


def test_what_was_not_done_has_a_reason_and_no_value(to: Context) -> None:
    resource = observation(measured("spo2", absent="not-performed"), to)
    assert codings(resource["dataAbsentReason"]) == ["not-performed"]
    assert not [name for name in resource if name.startswith("value")]


def test_zero_is_a_value(to: Context) -> None:
    resource = observation(measured("supplemental-oxygen-volume", "0", "L"), to)
    assert resource["valueQuantity"]["value"] == Decimal(0)


def test_a_value_about_a_period(to: Context) -> None:
    volume = measured("supplemental-oxygen-volume", "1440", "L", until="2024-03-03")
    resource = observation(volume, to)
    assert resource["effectivePeriod"] == {"start": "2024-03-02", "end": "2024-03-03"}
    assert "effectiveDateTime" not in resource


def test_a_correction_is_marked(to: Context) -> None:
    corrected = observation(replace(MEASUREMENT, corrected=True), to)
    assert corrected["status"] == "corrected"
    assert corrected["id"] == observation(MEASUREMENT, to)["id"]


def test_an_unknown_term_is_a_key_error(to: Context) -> None:
    with pytest.raises(KeyError):
        observation(measured("no-such-thing", "1", "1"), to)


def test_a_normal_range_holds_for_ages(to: Context) -> None:
    (found,) = observation(MEASUREMENT, to)["referenceRange"]
    assert found["type"]["coding"][0]["code"] == "normal"
    assert [found["age"][end]["value"] for end in ("low", "high")] == [1, 18]
    assert found["age"]["low"]["code"] == "a"
    ageless = replace(MEASUREMENT, age_from=None, age_to=None)
    assert "age" not in observation(ageless, to)["referenceRange"][0]
