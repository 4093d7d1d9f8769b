"""The validator as its users meet it: what passes, what it names, and where."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter.errors import UsageError
from adapter.validation import Issue, Validator

PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p1", "gender": "male"}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"text": "FEV1"},
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2024-02-29T08:00:00+01:00",
    "valueQuantity": {"value": 1.2, "system": "http://unitsofmeasure.org", "code": "L"},
}


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator("R4")


def errors(found: list[Issue]) -> list[tuple[str, str | None]]:
    return [(i.path, i.messageId) for i in found if i.severity in ("error", "fatal")]


def test_a_good_resource_passes_as_dict_text_and_bytes(validator: Validator) -> None:
    assert validator.validate(PATIENT) == []
    assert validator.is_valid('{"resourceType":"Patient"}')
    assert validator.is_valid(b'{"resourceType":"Patient"}')
    assert errors(validator.validate(OBSERVATION)) == []


@pytest.mark.parametrize(
    ("change", "path", "name"),
    [
        ({"status": None}, "Observation.status", "This_property_must_be_an_simple_value_not_"),
        ({"status": ["final"]}, "Observation.status", "This_property_must_be_an_simple_value_not_"),
        ({"status": "finished"}, "Observation.status", "Terminology_TX_NoValid_16"),
        ({"status": "fin al "}, "Observation.status", "Type_Specific_Checks_DT_Code_WS"),
        ({"status": ""}, "Observation.status", "Type_Specific_Checks_DT_Primitive_NotEmpty"),
        ({"shoe": 1}, "Observation", "Unrecognised_property_"),
        ({"valueString": "x"}, "Observation", "Validation_VAL_Profile_Maximum"),
        ({"category": []}, "Observation.category", "ARRAY_CANNOT_BE_EMPTY"),
        (
            {"category": {"text": "x"}},
            "Observation.category",
            "This_property_must_be_an_Array_not_",
        ),
        ({"code": {}}, "Observation.code", "Object_must_have_some_content"),
        ({"code": {"id": "x"}}, "Observation.code", None),
        ({"subject": "Patient/p1"}, "Observation.subject", "This_property_must_be_an_object_not_"),
        ({"subject": {"reference": "#p"}}, "Observation.subject", "Reference_REF_CantResolve"),
        (
            {"effectiveDateTime": "2023-02-29"},
            "Observation.effective.ofType(dateTime)",
            "Type_Specific_Checks_DT_DateTime_Valid",
        ),
        (
            {"effectiveDateTime": "2023-02-28T08:00:00"},
            "Observation.effective.ofType(dateTime)",
            "Type_Specific_Checks_DT_DateTime_TZ",
        ),
        (
            {"issued": True},
            "Observation.issued",
            "Error_parsing_JSON_the_primitive_value_must_be_a_string",
        ),
        (
            {"extension": [{"url": "http://nowhere.test/unknown", "valueString": "x"}]},
            "Observation.extension[0]",
            "Extension_EXT_Unknown_NotHere",
        ),
        (
            {"extension": [{"valueString": "x"}]},
            "Observation.extension[0]",
            "Extension_EXT_Url_NotFound",
        ),
        (
            {"extension": [{"url": "relative", "valueString": "x"}]},
            "Observation.extension[0]",
            "Extension_EXT_URL_Absolute",
        ),
        (
            {
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName",
                        "valueString": "x",
                    }
                ]
            },
            "Observation.extension[0]",
            "Extension_EXTP_Context_Wrong",
        ),
        (
            {"meta": {"profile": ["http://example.org/unknown"]}},
            "Observation.meta.profile[0]",
            "VALIDATION_VAL_PROFILE_UNKNOWN_NOT_POLICY",
        ),
    ],
)
def test_a_fault_has_the_path_and_the_name_that_the_official_validator_gives(
    validator: Validator, change: dict[str, Any], path: str, name: str | None
) -> None:
    found = errors(validator.validate({**OBSERVATION, **change}))
    if name is None:
        assert path in {at for at, _ in found}
    else:
        assert (path, name) in found


def test_what_must_be_there_is_missed(validator: Validator) -> None:
    without = {k: v for k, v in OBSERVATION.items() if k != "status"}
    assert errors(validator.validate(without)) == [
        ("Observation", "Validation_VAL_Profile_Minimum")
    ]


def test_an_issue_says_which_resource(validator: Validator) -> None:
    (issue,) = validator.validate({**PATIENT, "birthDate": "yesterday"})
    assert (issue.resourceType, issue.id, issue.path) == ("Patient", "p1", "Patient.birthDate")
    assert issue.to_json()["id"] == "p1"


def test_the_rule_that_was_broken_is_named_without_values(validator: Validator) -> None:
    for issue in validator.validate({**PATIENT, "birthDate": "CANARY", "gender": "CANARY"}):
        assert "CANARY" not in issue.rule


def test_order_of_members_does_not_matter(validator: Validator) -> None:
    turned = dict(reversed({**OBSERVATION, "shoe": 1, "status": "x"}.items()))
    straight = {**OBSERVATION, "shoe": 1, "status": "x"}
    assert sorted(errors(validator.validate(turned)), key=str) == sorted(
        errors(validator.validate(straight)), key=str
    )


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"resourceType":"../os"}', "{}", ""])
def test_what_is_no_resource_is_an_issue_not_a_crash(validator: Validator, text: str) -> None:
    assert not validator.is_valid(text)


def test_deep_nesting_is_an_issue_not_a_crash(validator: Validator) -> None:
    nested: dict[str, Any] = {"url": "http://x.org", "valueString": "x"}
    for _ in range(5000):
        nested = {"url": "http://x.org", "extension": [nested]}
    assert not validator.is_valid({**PATIENT, "extension": [nested]})
    assert not validator.is_valid("[" * 100_000)


def test_what_cannot_be_checked_is_refused_not_pretended(validator: Validator) -> None:
    with pytest.raises(UsageError):
        Validator("R3")
    with pytest.raises(UsageError, match="unknown"):
        validator.validate(PATIENT, profiles=["http://example.org/profile"])


@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
def test_each_release_has_its_own_elements(release: str) -> None:
    subject = {
        "resourceType": "ResearchSubject",
        "status": "active",
        "individual": {"display": "x"},
    }
    found = errors(Validator(release).validate(subject))
    unknown = ("ResearchSubject", "Unrecognised_property_")
    assert (unknown in found) is (release == "R5")


BLOOD_PRESSURE = {
    "resourceType": "Observation",
    "status": "final",
    "category": [
        {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                    "code": "vital-signs",
                }
            ]
        }
    ],
    "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2024-01-01",
    "component": [
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "valueQuantity": {
                "value": value,
                "unit": "mmHg",
                "system": "http://unitsofmeasure.org",
                "code": "mm[Hg]",
            },
        }
        for code, value in (("8480-6", 107), ("8462-4", 60))
    ],
}


def test_vital_signs_codes_impose_their_profile(validator: Validator) -> None:
    assert errors(validator.validate(BLOOD_PRESSURE)) == []
    one = {**BLOOD_PRESSURE, "component": BLOOD_PRESSURE["component"][:1]}
    assert ("Observation", "Validation_VAL_Profile_Minimum_SLICE") in errors(
        validator.validate(one)
    )
    wrong = json.loads(json.dumps(BLOOD_PRESSURE))
    wrong["component"][0]["valueQuantity"]["code"] = "kPa"
    assert errors(validator.validate(wrong))[0][0].startswith("Observation.component[0].value")
