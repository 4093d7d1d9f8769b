"""Snapshots of profiles that are given as differentials."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation.definitions import Definitions
from adapter.validation.snapshot import SnapshotError, generate

BASE = "http://hl7.org/fhir/StructureDefinition/"
URL = "https://w3id.org/study-fhir-adapter/StructureDefinition/test"


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return Definitions("R4")


def elements(
    definitions: Definitions, base: str, *differential: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    kind = base if base[0].isupper() else "Observation"
    profile = {
        "resourceType": "StructureDefinition",
        "url": URL,
        "type": kind,
        "derivation": "constraint",
        "baseDefinition": BASE + base,
        "differential": {"element": list(differential)},
    }
    return {e["id"]: e for e in generate(profile, definitions.structure)}


def test_without_changes_it_is_the_base(definitions: Definitions) -> None:
    made = elements(definitions, "Patient")
    base = definitions.needed("Patient")["snapshot"]["element"]
    assert list(made) == [e["id"] for e in base]
    assert made["Patient.gender"] == next(e for e in base if e["id"] == "Patient.gender")


def test_what_a_profile_says_narrows_and_what_it_leaves_out_stays(
    definitions: Definitions,
) -> None:
    rule = {"key": "x-1", "severity": "error", "human": "h", "expression": "true"}
    made = elements(
        definitions,
        "Patient",
        {"id": "Patient.name", "path": "Patient.name", "min": 1, "constraint": [rule]},
    )["Patient.name"]
    assert (made["min"], made["max"]) == (1, "*")
    assert [c["key"] for c in made["constraint"]] == ["ele-1", "x-1"]
    assert made["constraint"][-1]["source"] == URL


def test_an_element_inside_a_datatype_takes_the_datatypes_children(
    definitions: Definitions,
) -> None:
    made = elements(
        definitions,
        "Patient",
        {"path": "Patient.name.family", "id": "Patient.name.family", "min": 1},
    )
    assert made["Patient.name.family"]["min"] == 1
    assert "Patient.name.given" in made
    assert made["Patient.name.given"]["base"]["path"] == "HumanName.given"


def test_slices_are_copies_of_what_they_slice(definitions: Definitions) -> None:
    made = elements(
        definitions,
        "Observation",
        {
            "path": "Observation.component",
            "slicing": {"discriminator": [{"type": "value", "path": "code"}], "rules": "open"},
        },
        {"path": "Observation.component", "sliceName": "fev1", "min": 1, "max": "1"},
        {"path": "Observation.component.code", "patternCodeableConcept": {"text": "FEV1"}},
        {"path": "Observation.component", "sliceName": "fvc"},
    )
    assert made["Observation.component:fev1"]["max"] == "1"
    assert made["Observation.component:fev1.code"]["patternCodeableConcept"] == {"text": "FEV1"}
    assert made["Observation.component:fvc"]["min"] == 0
    assert "patternCodeableConcept" not in made["Observation.component:fvc.code"]
    assert "patternCodeableConcept" not in made["Observation.component.code"]


def test_a_choice_may_be_written_short(definitions: Definitions) -> None:
    made = elements(definitions, "Observation", {"path": "Observation.valueQuantity", "min": 1})
    one = made["Observation.value[x]:valueQuantity"]
    assert [t["code"] for t in one["type"]] == ["Quantity"]
    assert one["min"] == 1


def test_a_choice_of_one_type_written_short_is_that_choice(definitions: Definitions) -> None:
    value = "Extension.value[x]"
    made = elements(
        definitions,
        "Extension",
        {"path": value, "type": [{"code": "Quantity"}]},
        {"path": "Extension.valueQuantity.code", "min": 1},
    )
    assert made[f"{value}.code"]["min"] == 1
    assert "slicing" not in made[value]


def test_an_extension_may_be_there_as_often_as_its_definition_says(
    definitions: Definitions,
) -> None:
    def of(name: str, **stated: Any) -> dict[str, Any]:
        types = [{"code": "Extension", "profile": [BASE + name]}]
        path = "Patient.extension"
        given = {"path": path, "sliceName": "one", "type": types, **stated}
        return elements(definitions, "Patient", given)[f"{path}:one"]

    assert of("patient-birthPlace")["max"] == "1"
    assert of("patient-birthPlace", max="*")["max"] == "*"
    assert of("patient-nationality")["max"] == "*"
    assert of("nowhere")["max"] == "*"


def test_extensions_may_hold_each_other() -> None:
    definitions = Definitions("R4")
    for one, other in ("ab", "ba"):
        types = [{"code": "Extension", "profile": [URL + other]}]
        inner = {"path": "Extension.extension", "sliceName": other, "type": types}
        definitions.add(
            {
                "resourceType": "StructureDefinition",
                "url": URL + one,
                "type": "Extension",
                "derivation": "constraint",
                "baseDefinition": BASE + "Extension",
                "differential": {"element": [{"path": "Extension", "max": "1"}, inner]},
            }
        )
    made = {e["id"]: e for e in definitions.needed(URL + "a")["snapshot"]["element"]}
    assert made["Extension.extension:b"]["max"] == "1"


@pytest.mark.parametrize("snapshot", [None, {}, {"element": []}, {"element": [{"path": 1}]}])
def test_a_base_without_readable_elements_is_named(snapshot: Any) -> None:
    profile = {"url": URL, "type": "Patient", "baseDefinition": BASE + "Patient"}
    with pytest.raises(SnapshotError, match=URL):
        generate(profile, lambda _: {"url": BASE + "Patient", "snapshot": snapshot})


@pytest.mark.parametrize("differential", ["x", {"element": "x"}, {"element": {}}])
def test_a_differential_that_is_none_is_named(definitions: Definitions, differential: Any) -> None:
    profile = {"url": URL, "type": "Patient", "baseDefinition": BASE + "Patient"}
    with pytest.raises(SnapshotError, match="not a list"):
        generate({**profile, "differential": differential}, definitions.structure)


def test_slices_of_slices(definitions: Definitions) -> None:
    path = "Observation.component"
    made = elements(
        definitions,
        "Observation",
        {"path": path, "slicing": {"discriminator": [{"type": "value", "path": "code"}]}},
        {"id": f"{path}:flow", "path": path, "sliceName": "flow"},
        {"id": f"{path}:flow/peak", "path": path, "sliceName": "flow/peak", "min": 1},
    )
    assert made[f"{path}:flow/peak"]["min"] == 1


def test_a_repeated_element_has_the_children_of_the_one_it_repeats(
    definitions: Definitions,
) -> None:
    made = elements(
        definitions,
        "Questionnaire",
        {"id": "Questionnaire.item.item.text", "path": "Questionnaire.item.item.text", "min": 1},
    )
    assert made["Questionnaire.item.item.text"]["min"] == 1
    assert made["Questionnaire.item.text"]["min"] == 0


@pytest.mark.parametrize(
    ("base", "differential", "text"),
    [
        ("Nothing", [], "its base"),
        ("Patient", [{"path": "Patient.shoe"}], "no element shoe"),
        ("Patient", [{"id": "Patient.name"}], "number 1: it has no path"),
        ("Patient", ["Patient.name"], "number 1"),
        ("Patient", [{"path": "Patient.name", "max": "many"}], "its max is neither"),
        ("Patient", [{"path": "Patient.name", "type": "HumanName"}], "Patient.name: its type"),
        ("Patient", [{"path": "Patient.name", "type": [{"profile": [1]}]}], "its profile"),
        ("Patient", [{"path": "Patient.name", "constraint": ["x-1"]}], "its constraint"),
        ("Patient", [{"path": "Patient.name", "extension": [{}]}], "no url"),
        ("Questionnaire", [{"path": "Questionnaire" + ".item" * 5000}], "deeper than"),
        ("Patient", [{"path": "Patient.name", "sliceName": "a/" * 5000 + "a"}], "deeper than"),
    ],
)
def test_what_makes_no_sense_is_named(
    definitions: Definitions, base: str, differential: list[dict[str, Any]], text: str
) -> None:
    with pytest.raises(SnapshotError, match=text):
        elements(definitions, base, *differential)
