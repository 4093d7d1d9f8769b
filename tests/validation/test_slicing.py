"""Which slice an item belongs to, and how many each may hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter.validation import Issue, Validator

HOME = "https://w3id.org/study-fhir-adapter/StructureDefinition/"


def validator(tmp_path: Path, kind: str, *elements: dict[str, Any]) -> Validator:
    profile = {
        "resourceType": "StructureDefinition",
        "url": HOME + "test",
        "type": kind,
        "kind": "resource",
        "derivation": "constraint",
        "baseDefinition": f"http://hl7.org/fhir/StructureDefinition/{kind}",
        "differential": {"element": list(elements)},
    }
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(profile))
    return Validator("R4", packages=[path])


def names(found: list[Issue]) -> list[tuple[str, str | None]]:
    return [(i.path, i.messageId) for i in found if i.severity == "error"]


def identifiers(rules: str, ordered: bool = False) -> list[dict[str, Any]]:
    path = "Patient.identifier"
    slicing = {
        "discriminator": [{"type": "value", "path": "system"}],
        "rules": rules,
        "ordered": ordered,
    }
    return [
        {"path": path, "slicing": slicing},
        {"path": path, "sliceName": "study", "min": 1, "max": "1"},
        {"path": path + ".system", "fixedUri": "https://w3id.org/study"},
        {"path": path, "sliceName": "site"},
        {"path": path + ".system", "fixedUri": "https://w3id.org/site"},
        {"path": path + ".value", "min": 1},
    ]


def patient(*systems: str) -> dict[str, Any]:
    held = [{"system": f"https://w3id.org/{s}", "value": str(n)} for n, s in enumerate(systems)]
    return {"resourceType": "Patient", "identifier": held}


@pytest.mark.parametrize(
    ("rules", "ordered", "systems", "wanted"),
    [
        ("open", False, ("study", "site", "other"), []),
        ("open", False, ("site",), [("Patient", "Validation_VAL_Profile_Minimum_SLICE")]),
        ("open", False, ("study", "study"), [("Patient", "Validation_VAL_Profile_Maximum")]),
        (
            "closed",
            False,
            ("study", "other"),
            [("Patient.identifier[1]", "Validation_VAL_Profile_NotSlice")],
        ),
        (
            "open",
            True,
            ("site", "study"),
            [("Patient.identifier[1]", "Validation_VAL_Profile_SliceOrder")],
        ),
    ],
)
def test_items_are_counted_by_their_slices(
    rules: str,
    ordered: bool,
    systems: tuple[str, ...],
    wanted: list[tuple[str, str]],
    tmp_path: Path,
) -> None:
    one = validator(tmp_path, "Patient", *identifiers(rules, ordered))
    assert names(one.validate(patient(*systems), profiles=[HOME + "test"])) == wanted


def test_a_slice_must_be_there_even_where_its_element_is_not(tmp_path: Path) -> None:
    one = validator(tmp_path, "Patient", *identifiers("open"))
    found = names(one.validate({"resourceType": "Patient"}, profiles=[HOME + "test"]))
    assert found == [("Patient", "Validation_VAL_Profile_Minimum_SLICE")]


def test_an_item_is_checked_by_its_slice(tmp_path: Path) -> None:
    one = validator(tmp_path, "Patient", *identifiers("open"))
    resource = patient("study", "site")
    del resource["identifier"][1]["value"]
    found = names(one.validate(resource, profiles=[HOME + "test"]))
    assert found == [("Patient.identifier[1]", "Validation_VAL_Profile_Minimum")]


CONTAINED = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "x"},
    "contained": [
        {"resourceType": "Device", "id": "d"},
        {"resourceType": "Patient", "id": "p"},
    ],
    "subject": {"reference": "#p"},
    "device": {"reference": "#d"},
    "derivedFrom": [{"reference": "Media/1"}, {"reference": "Observation/2"}],
}


@pytest.mark.parametrize(
    ("discriminator", "slice_", "counts"),
    [
        ({"type": "exists", "path": "display"}, {"path": "Observation.derivedFrom.display"}, 0),
        (
            {"type": "type", "path": "resolve()"},
            {
                "path": "Observation.derivedFrom",
                "type": [
                    {
                        "code": "Reference",
                        "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Media"],
                    }
                ],
            },
            1,
        ),
        (
            {"type": "pattern", "path": "$this"},
            {"path": "Observation.derivedFrom", "patternReference": {"reference": "Media/1"}},
            1,
        ),
    ],
)
def test_each_kind_of_discriminator(
    discriminator: dict[str, str], slice_: dict[str, Any], counts: int, tmp_path: Path
) -> None:
    path = "Observation.derivedFrom"
    first = {"path": path, "sliceName": "one", "max": "0"}
    rest = []
    if slice_["path"] == path:
        first.update(slice_)
    else:
        rest = [{**slice_, "min": 1}]
    one = validator(
        tmp_path,
        "Observation",
        {"path": path, "slicing": {"discriminator": [discriminator], "rules": "open"}},
        first,
        *rest,
    )
    found = names(one.validate(CONTAINED, profiles=[HOME + "test"]))
    assert len([i for i in found if i[1] == "Validation_VAL_Profile_Maximum"]) == counts


def test_an_extension_s_slice_is_known_by_the_definition_it_names(tmp_path: Path) -> None:
    """The definition itself may not be at hand: its URL still tells the slices apart."""
    path = "Patient.extension"
    found = validator(
        tmp_path,
        "Patient",
        {"path": path, "slicing": {"discriminator": [{"type": "value", "path": "url"}]}},
        *(
            {"path": path, "sliceName": name, "max": "1",
             "type": [{"code": "Extension", "profile": [HOME + name]}]}
            for name in ("one", "other")
        ),
    )  # fmt: skip
    extensions = [{"url": HOME + name, "valueString": "x"} for name in ("one", "other", "third")]
    issues = found.validate({"resourceType": "Patient", "extension": extensions}, [HOME + "test"])
    assert not [i for i in issues if "Profile" in (i.messageId or "")]
    twice = {"resourceType": "Patient", "extension": [extensions[0], extensions[0]]}
    issues = found.validate(twice, [HOME + "test"])
    assert [i.messageId for i in issues if "Profile" in (i.messageId or "")] == [
        "Validation_VAL_Profile_Maximum"
    ]
