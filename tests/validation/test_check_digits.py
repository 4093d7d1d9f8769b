"""Check digits of LOINC and SNOMED CT."""

from __future__ import annotations

import pytest

from adapter.validation.check_digits import problem

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"


@pytest.mark.parametrize("code", ["8480-6", "8462-4", "718-7", "1-8", "LP7839-6", "LA6576-8"])
def test_loinc(code: str) -> None:
    assert problem(LOINC, code) is None


@pytest.mark.parametrize("code", ["8480-7", "8408-6", "8480", "x-1", "84806"])
def test_mistyped_loinc(code: str) -> None:
    assert problem(LOINC, code) is not None


@pytest.mark.parametrize(
    "code", ["271649006", "404684003", "138875005", "73211009", "32506021000036107"]
)
def test_snomed(code: str) -> None:
    assert problem(SNOMED, code) is None


@pytest.mark.parametrize("code", ["271649007", "271694006", "12345", "0271649006", "M", "1" * 19])
def test_mistyped_snomed(code: str) -> None:
    assert problem(SNOMED, code) is not None


def test_a_description_is_not_a_concept() -> None:
    assert "not a concept" in str(problem(SNOMED, "37436014"))


def test_expressions_and_other_systems_have_none() -> None:
    assert problem(SNOMED, "284196006:246112005=24484000") is None
    assert problem("http://example.org", "1") is None
    assert problem(None, "1") is None
