from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from child_record import ALIQUOT, CHILD, SAMPLE

from mappings import Context
from mappings.specimen import specimen


def test_a_serum_sample(to: Context) -> None:
    resource = specimen(SAMPLE, to)
    assert resource["status"] == "available"
    assert [c["code"] for c in resource["type"]["coding"]] == ["119364003", "SER"]
    collection = resource["collection"]
    assert collection["collectedDateTime"] == "2024-03-02T07:15:00+08:00"
    assert collection["quantity"]["value"] == Decimal("3.5")
    assert collection["method"]["coding"][0]["code"] == "28520004"
    assert collection["bodySite"]["coding"][0]["code"] == "128553008"
    assert resource["condition"][0]["coding"][0]["code"] == "HEM"
    assert "extension" not in resource  # workflow-researchStudy is not allowed on Specimen


def test_processing_then_storage(to: Context) -> None:
    done, kept = specimen(SAMPLE, to)["processing"]
    assert done["procedure"]["coding"][0]["code"] == "73373003"
    assert done["timeDateTime"] == "2024-03-02T08:20:00+08:00"
    assert kept["procedure"]["text"] == "Stored between -60 and -85 degrees Celsius"


def test_an_aliquot_has_a_parent_and_no_collection(to: Context) -> None:
    resource = specimen(ALIQUOT, to)
    assert resource["parent"] == [to.reference("Specimen", SAMPLE.key)]
    assert "collection" not in resource
    (vial,) = resource["container"]
    assert vial["specimenQuantity"]["value"] == Decimal("0.5")
    assert vial["type"]["coding"][0]["code"] == "434746001"


def test_a_spoilt_sample(to: Context) -> None:
    assert specimen(replace(SAMPLE, state="unsatisfactory"), to)["status"] == "unsatisfactory"


def test_little_is_known(to: Context) -> None:
    bare = specimen(type(SAMPLE)(key=("s",), subject=CHILD, material="balf"), to)
    assert bare.keys() == {
        "resourceType", "id", "meta", "identifier", "status", "type", "subject",
    }  # fmt: skip
