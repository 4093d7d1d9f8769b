from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from child_record import ALIQUOT, CHILD, RELEASES, SAMPLE, default_context

from adapter.validation import Validator
from mappings import Context, map_entity
from mappings.specimen import specimen

PROCESS = {"R4": "procedure", "R4B": "procedure", "R5": "method"}


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


def test_its_identifiers_say_what_they_are(to: Context) -> None:
    resource = specimen(SAMPLE, to)
    (own,) = resource["identifier"]
    assert own["type"]["coding"][0]["code"] == "SID"
    laboratory = resource["accessionIdentifier"]
    assert laboratory["type"]["coding"][0]["code"] == "ACSN"
    assert laboratory["value"] == "s9876543210"
    assert laboratory["system"] != own["system"]


def test_a_serum_separator_tube_has_an_additive(to: Context) -> None:
    (tube,) = specimen(SAMPLE, to)["container"]
    assert tube["additiveCodeableConcept"]["coding"][0]["code"] == "SST"


def test_in_r5_the_tube_is_a_device(r5: Context) -> None:
    tube, serum = map_entity(SAMPLE, r5)
    assert tube["resourceType"] == "Device"
    assert tube["type"][0]["coding"][0]["code"] == "702281005"
    assert serum["container"] == [{"device": {"reference": f"Device/{tube['id']}"}}]
    site = serum["collection"]["bodySite"]["concept"]
    assert site["coding"][0]["code"] == "128553008"
    assert serum["processing"][0]["method"]["coding"][0]["code"] == "73373003"


def test_in_r5_an_aliquot_has_a_vial_of_its_own(r5: Context) -> None:
    tube, *_ = map_entity(SAMPLE, r5)
    vial, aliquot = map_entity(ALIQUOT, r5)
    assert vial["id"] != tube["id"]
    assert aliquot["container"][0]["specimenQuantity"]["value"] == Decimal("0.5")
    (unknown, _) = map_entity(replace(ALIQUOT, container=None), r5)
    assert "type" not in unknown


def test_in_r5_a_sample_without_container_has_no_device(r5: Context) -> None:
    assert [r["resourceType"] for r in map_entity(replace(SAMPLE, container=None), r5)] == [
        "Specimen"
    ]


@pytest.mark.parametrize("release", RELEASES)
def test_a_sample_as_miabis_has_it(release: str) -> None:
    resource = specimen(SAMPLE, default_context(release=release, flavours=["miabis"]))
    assert resource["meta"]["profile"] == [
        "https://w3id.org/study-fhir-adapter/StructureDefinition/miabis-sample"
    ]
    assert len(resource["identifier"]) == 1
    assert resource["type"]["coding"][-1]["code"] == "Serum"
    assert resource["type"]["coding"][-1]["system"].startswith("https://fhir.bbmri-eric.eu/")
    assert "extension" not in resource["processing"][1]
    kept = resource["processing"][1][PROCESS[release]]
    assert [each["code"] for each in kept["coding"]][-1] == "-60to-85"
    issues = Validator(release).validate(resource)
    assert [i for i in issues if i.severity in ("error", "fatal")] == []


def test_miabis_own_extension_comes_with_its_package(to: Context) -> None:
    theirs = "https://fhir.bbmri-eric.eu/StructureDefinition/miabis-sample"
    supplied = replace(to, flavours=frozenset({"miabis"}), profiles={"Specimen": [theirs]})
    (temperature,) = specimen(SAMPLE, supplied)["processing"][1]["extension"]
    assert temperature["url"].startswith("https://fhir.bbmri-eric.eu/StructureDefinition/")
    assert temperature["valueCodeableConcept"]["coding"][0]["code"] == "-60to-85"


def test_without_the_flavour_nothing_of_miabis_is_written(to: Context) -> None:
    assert "bbmri" not in str(specimen(SAMPLE, to))
