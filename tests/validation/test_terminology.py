"""Codes, codings and concepts: the verdicts of HL7's own validator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter.errors import UsageError
from adapter.validation.definitions import Definitions
from adapter.validation.issues import Issue
from adapter.validation.terminology import Terminology

GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"
MARITAL = "http://hl7.org/fhir/ValueSet/marital-status"
CLINICAL = "http://hl7.org/fhir/ValueSet/allergyintolerance-clinical|4.0.1"
LANGUAGES = "http://hl7.org/fhir/ValueSet/languages"
ALL_LANGUAGES = "http://hl7.org/fhir/ValueSet/all-languages"
V3_MARITAL = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"
V3_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ALLERGY = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"


@pytest.fixture(scope="module")
def r4() -> Terminology:
    return Terminology(Definitions.shipped("R4"), "R4")


def own(*resources: dict[str, Any], release: str = "R4") -> Terminology:
    """A terminology with a user's own definitions."""
    definitions = Definitions(release)
    for resource in resources:
        definitions.add(resource)
    return Terminology(definitions, release)


def said(issues: list[Issue]) -> set[tuple[str, str, str | None]]:
    """Severity, path and message of each issue."""
    return {(one.severity, one.path, one.messageId) for one in issues}


def concept(*codings: dict[str, str]) -> dict[str, Any]:
    return {"coding": list(codings)}


def test_code_of_the_value_set(r4: Terminology) -> None:
    assert r4.check_code("female", GENDER, "required", "Patient.gender") == []
    assert r4.members(GENDER) == {"male", "female", "other", "unknown"}


def test_code_outside_a_required_value_set(r4: Terminology) -> None:
    found = said(r4.check_code("femal", GENDER, "required", "Patient.gender"))
    assert found == {
        ("error", "Patient.gender", "UNABLE_TO_INFER_CODESYSTEM"),
        ("error", "Patient.gender", "Terminology_TX_NoValid_16"),
    }


def test_code_outside_an_extensible_or_preferred_value_set(r4: Terminology) -> None:
    extensible = said(r4.check_code("x", GENDER, "extensible", "p"))
    assert extensible == {("warning", "p", "Terminology_TX_NoValid_17")}
    assert r4.check_code("x", GENDER, "preferred", "p") == []
    profile = said(r4.check_code("x", GENDER, "preferred", "p", derived=True))
    assert profile == {("information", "p", "Terminology_TX_NoValid_18")}
    assert r4.check_code("x", GENDER, "example", "p") == []


def test_unknown_value_set_is_a_warning(r4: Terminology) -> None:
    found = said(r4.check_code("x", "http://example.org/vs", "required", "p"))
    assert found == {("warning", "p", "Terminology_TX_ValueSet_NotFound")}
    system = said(r4.check_coding({"system": V3_ACT, "code": "AMB"}, V3_ACT, "required", "p"))
    assert ("error", "p", "Terminology_TX_ValueSet_NotFound_CS") in system


def test_unknown_code_of_a_known_system_is_an_error_whatever_the_binding(r4: Terminology) -> None:
    wrong = concept({"system": V3_MARITAL, "code": "married"})
    place = ("error", "Patient.maritalStatus.coding[0].code", "Unknown_Code_in_Version")
    assert said(r4.check_concept(wrong, None, None, "Patient.maritalStatus")) == {place}
    assert said(r4.check_concept(wrong, MARITAL, "example", "Patient.maritalStatus")) == {place}
    assert said(r4.check_concept(wrong, MARITAL, "extensible", "Patient.maritalStatus")) == {
        place,
        ("warning", "Patient.maritalStatus", "Terminology_TX_NoValid_2_CC"),
    }


def test_codings_outside_a_required_value_set(r4: Terminology) -> None:
    found = said(
        r4.check_concept(concept({"system": V3_MARITAL, "code": "M"}), CLINICAL, "required", "p")
    )
    assert found == {("error", "p", "Terminology_TX_NoValid_1_CC")}


def test_one_of_several_codings_is_enough(r4: Terminology) -> None:
    good = {"system": ALLERGY, "code": "active"}
    local = {"system": "http://hospital.example.com/codes", "code": "7"}
    found = said(r4.check_concept(concept(local, good), CLINICAL, "required", "p"))
    name = "UNKNOWN_CODESYSTEM_CODING_NOT_CHECKED"
    assert found == {("warning", "p.coding[0].system", name)}


def test_text_alone(r4: Terminology) -> None:
    text = {"text": "active"}
    required = said(r4.check_concept(text, CLINICAL, "required", "p"))
    assert required == {("error", "p", "Terminology_TX_Code_ValueSet")}
    extensible = said(r4.check_concept(text, MARITAL, "extensible", "p"))
    assert extensible == {("warning", "p", "Terminology_TX_Code_ValueSet_Ext")}
    assert r4.check_concept(text, None, None, "p") == []


@pytest.mark.parametrize("display", ["Married", "married", "MARRIED"])
def test_display_in_any_case(r4: Terminology, display: str) -> None:
    coding = {"system": V3_MARITAL, "code": "M", "display": display}
    assert r4.check_concept(concept(coding), MARITAL, "extensible", "p") == []


@pytest.mark.parametrize(
    ("display", "name"),
    [
        ("Wed", "Display_Name_for__should_be_one_of__instead_of"),
        (" Married", "Display_Name_WS_for__should_be_one_of__instead_of"),
    ],
)
def test_wrong_display_is_an_error(r4: Terminology, display: str, name: str) -> None:
    coding = {"system": V3_MARITAL, "code": "M", "display": display}
    found = said(r4.check_coding(coding, None, None, "p"))
    assert found == {("error", "p.display", name)}


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("http://acme.example.com/codes", ("information", "p.system", "UNKNOWN_CODESYSTEM")),
        ("relative", ("error", "p", "Terminology_TX_System_Relative")),
        (MARITAL, ("error", "p", "Terminology_TX_System_ValueSet2")),
        ("http://hl7.org/fhir/no-such", ("error", "p", "Terminology_TX_System_Unknown")),
        (SNOMED + "/", ("error", "p", "Terminology_TX_System_Invalid")),
        ("https://loinc.org", ("error", "p", "TERMINOLOGY_TX_SYSTEM_HTTPS")),
        ("http://hl7.org/fhir/x.html", ("error", "p", "TERMINOLOGY_TX_SYSTEM_WRONG_HTML")),
        ("http://build.fhir.org/x", ("error", "p", "TERMINOLOGY_TX_SYSTEM_WRONG_BUILD")),
    ],
)
def test_systems_without_codes_at_hand(
    r4: Terminology, system: str, expected: tuple[str, str, str]
) -> None:
    assert said(r4.check_coding({"system": system, "code": "x"}, None, None, "p")) == {expected}


@pytest.mark.parametrize("system", ["http://example.org/codes", "http://hl7.org/fhir/sid/icd-10"])
def test_systems_of_which_nothing_is_said(r4: Terminology, system: str) -> None:
    assert r4.check_coding({"system": system, "code": "x"}, None, None, "p") == []


def test_missing_system(r4: Terminology) -> None:
    coding = said(r4.check_coding({"code": "M"}, MARITAL, "extensible", "p"))
    assert coding == {("warning", "p", "TERMINOLOGY_TX_SYSTEM_NO_CODE")}
    held = said(r4.check_concept(concept({"code": "M"}), None, None, "p"))
    assert held == {("warning", "p.coding[0]", "Coding_has_no_system__cannot_validate")}


def test_unknown_version_of_a_system(r4: Terminology) -> None:
    coding = {"system": ALLERGY, "code": "active", "version": "9.9"}
    found = said(r4.check_concept(concept(coding), CLINICAL, "required", "p"))
    assert found == {
        ("error", "p.coding[0].system", "UNKNOWN_CODESYSTEM_VERSION"),
        ("warning", "p.coding[0].version", "VALUESET_VALUE_MISMATCH_DEFAULT"),
    }


def test_what_needs_a_server_is_said_as_information(r4: Terminology) -> None:
    loinc = concept({"system": LOINC, "code": "8480-6"})
    found = said(r4.check_concept(loinc, MARITAL, "extensible", "p"))
    assert found == {("information", "p", "TERMINOLOGY_TX_NOSVC_BOUND_EXT")}
    assert r4.check_concept(loinc, None, None, "p") == []
    name = "Error_validating_code_running_without_terminology_services"
    coding = said(r4.check_coding({"system": LOINC, "code": "8480-6"}, None, None, "p"))
    assert coding == {("warning", "p", name)}


def test_codes_that_a_required_value_set_lists_are_compared_without_server() -> None:
    value_set = {
        "resourceType": "ValueSet",
        "url": "http://hospital.example.com/vs",
        "compose": {"include": [{"system": LOINC, "concept": [{"code": "8480-6"}]}]},
    }
    terminology = own(value_set)
    bound = (value_set["url"], "required", "p")
    other = said(terminology.check_concept(concept({"system": LOINC, "code": "8462-4"}), *bound))
    assert other == {("error", "p", "Terminology_Enumerated_Code")}
    listed = said(terminology.check_concept(concept({"system": LOINC, "code": "8480-6"}), *bound))
    assert listed == {("information", "p", "TERMINOLOGY_TX_NOSVC_BOUND_REQ")}
    assert terminology.member_of({"system": LOINC, "code": "8480-6"}, str(value_set["url"]))
    assert not terminology.member_of({"system": LOINC, "code": "1-8"}, str(value_set["url"]))


def test_mistyped_loinc_and_snomed_codes_are_warned_of(r4: Terminology) -> None:
    loinc = r4.check_concept(concept({"system": LOINC, "code": "8480-7"}), None, None, "p")
    assert said(loinc) == {("warning", "p.coding[0].code", "Code_Check_Digit")}
    snomed = r4.check_concept(concept({"system": SNOMED, "code": "271649007"}), None, None, "p")
    assert said(snomed) == {("warning", "p.coding[0].code", "Code_Check_Digit")}


def test_language_of_the_resource_must_be_one(r4: Terminology) -> None:
    found = said(r4.check_code("male", GENDER, "required", "p", language="EN"))
    assert found == {
        ("error", "p", "INVALID_DISPLAY_NAME"),
        ("error", "p", "Terminology_TX_NoValid_16"),
    }
    assert r4.check_code("male", GENDER, "required", "p", language="zh-CN") == []


def test_maximum_value_set(r4: Terminology) -> None:
    found = said(r4.check_code("x", GENDER, "extensible", "p", maximum=GENDER))
    assert ("error", "p", "Terminology_TX_NoValid_11") in found
    text = said(r4.check_concept({"text": "x"}, MARITAL, "extensible", "p", maximum=MARITAL))
    assert text == {("error", "p", "Terminology_TX_Code_ValueSetMax")}


def test_quantity_and_its_unit(r4: Terminology) -> None:
    ucum = "http://unitsofmeasure.org"
    found = said(r4.check_quantity({"system": ucum, "code": "mg/dl"}, None, None, "p"))
    assert ("error", "p.code", "UCUM_Unit") not in found
    wrong = said(r4.check_quantity({"system": ucum, "code": "mmHg"}, None, None, "p"))
    assert ("error", "p.code", "UCUM_Unit") in wrong
    assert said(r4.check_unit({"system": ucum, "code": "month"}, "p")) == {
        ("error", "p.code", "UCUM_Unit")
    }
    assert r4.check_quantity({"value": 1, "unit": "tablet"}, None, None, "p") == []


def test_off_says_nothing() -> None:
    terminology = Terminology(Definitions("R4"), "R4", "off")
    assert terminology.check_code("x", GENDER, "required", "p") == []
    assert terminology.check_concept({"text": "x"}, CLINICAL, "required", "p") == []
    assert terminology.members(GENDER) is None
    assert terminology.member_of("x", GENDER) is None


def test_another_mode_is_refused() -> None:
    with pytest.raises(UsageError):
        Terminology(Definitions("R4"), "R4", "https://tx.example.com")


def test_a_users_table_of_codes(tmp_path: Path) -> None:
    table = tmp_path / "codes.csv"
    table.write_text("system,code,display\nhttp://hospital.example.com/dept,ICU,Intensive care\n")
    terminology = Terminology(Definitions("R4"), "R4")
    terminology.add_csv(table)
    dept = {"system": "http://hospital.example.com/dept", "code": "ICU"}
    assert terminology.check_coding(dept, None, None, "p") == []
    other = said(terminology.check_coding({**dept, "code": "ICV"}, None, None, "p"))
    assert other == {("error", "p.code", "Unknown_Code_in")}


def test_a_users_table_gives_a_system_of_the_server_its_codes(tmp_path: Path) -> None:
    table = tmp_path / "loinc.csv"
    table.write_text("system,code,display\nhttp://loinc.org,8480-6,Systolic blood pressure\n")
    terminology = Terminology(Definitions("R4"), "R4")
    terminology.add_csv(table)
    good = concept({"system": LOINC, "code": "8480-6", "display": "systolic blood pressure"})
    assert terminology.check_concept(good, None, None, "p") == []
    bad = terminology.check_concept(concept({"system": LOINC, "code": "8462-4"}), None, None, "p")
    assert said(bad) == {("error", "p.coding[0].code", "Unknown_Code_in")}


@pytest.mark.parametrize("text", ["code,display\nx,y\n", "system,code,display\n,x,y\n"])
def test_a_table_that_is_none(tmp_path: Path, text: str) -> None:
    table = tmp_path / "codes.csv"
    table.write_text(text)
    with pytest.raises(UsageError):
        Terminology(Definitions("R4"), "R4").add_csv(table)


def test_every_required_code_binding_of_core_can_be_listed_or_needs_a_server() -> None:
    for release in ("R4", "R4B", "R5"):
        terminology = Terminology(Definitions.shipped(release), release)
        url = "http://hl7.org/fhir/ValueSet/publication-status"
        assert terminology.members(url) == {"draft", "active", "retired", "unknown"}


def test_languages_are_not_decided_here(r4: Terminology) -> None:
    found = r4.check_code("de", LANGUAGES, "preferred", "p", maximum=ALL_LANGUAGES)
    assert not [one for one in found if one.severity == "error"]
