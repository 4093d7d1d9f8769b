"""Laws of terminology: no input raises, the same question has the same answer, paths are kept."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.validation import check_digits
from adapter.validation.definitions import Definitions
from adapter.validation.languages import is_language
from adapter.validation.terminology import Terminology
from adapter.validation.ucum import problem

R4 = Terminology(Definitions.shipped("R4"), "R4")
GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"
SYSTEMS = st.sampled_from(
    [
        "http://hl7.org/fhir/administrative-gender",
        "http://loinc.org",
        "http://unitsofmeasure.org",
        "urn:ietf:rfc:3986",
        "http://hl7.org/fhir/StructureDefinition/Patient",
        "",
    ]
)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
PART = SYSTEMS | st.sampled_from(["male", "Male", "M"]) | SCALAR | st.lists(SCALAR, max_size=2)
CODING = st.dictionaries(st.sampled_from(["system", "version", "code", "display"]), PART)
CONCEPT = st.dictionaries(st.sampled_from(["coding", "text"]), st.lists(CODING | SCALAR) | SCALAR)
STRENGTH = st.sampled_from(["required", "extensible", "preferred", "example"])
VALUE_SET = st.sampled_from([GENDER, "http://hl7.org/fhir/ValueSet/mimetypes", "urn:x:none"])


@settings(max_examples=300, deadline=None)
@given(CODING, CONCEPT, VALUE_SET, STRENGTH, st.none() | st.text(max_size=6))
def test_any_json_has_a_verdict(
    coding: dict[str, Any], concept: dict[str, Any], url: str, strength: str, language: str | None
) -> None:
    for check, value in (
        (R4.check_coding, coding),
        (R4.check_quantity, coding),
        (R4.check_concept, concept),
    ):
        first = check(value, url, strength, "p.q", language=language)
        assert first == check(value, url, strength, "p.q", language=language)
        assert all(one.path.startswith("p.q") for one in first)
        assert {one.severity for one in first} <= {"error", "warning", "information"}
    R4.member_of(coding, url)
    R4.member_of(concept, url)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=12))
def test_a_code_is_listed_or_said_to_be_wrong(code: str) -> None:
    found = R4.check_code(code, GENDER, "required", "p")
    listed = code in (R4.members(GENDER) or ())
    assert listed is (not found and bool(code.strip()))


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="mgL/.()[]{}%*^+-0129 é", max_size=20))
def test_any_text_is_a_unit_or_has_a_problem(unit: str) -> None:
    assert problem(unit) is None or unit[:10] in str(problem(unit)) or not unit


@given(st.integers(min_value=1, max_value=9_999_999))
def test_one_check_digit_is_right_for_a_loinc_number(number: int) -> None:
    assert sum(check_digits.loinc(f"{number}-{digit}") is None for digit in range(10)) == 1


@given(st.text(max_size=20))
def test_any_text_is_a_language_or_not(tag: str) -> None:
    assert is_language(tag) in (True, False)
