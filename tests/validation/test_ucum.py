"""Units of UCUM; the verdicts are those of HL7's org.fhir.ucum 1.0.10."""

from __future__ import annotations

import pytest

from adapter.validation.ucum import problem


@pytest.mark.parametrize(
    "unit",
    [
        "mg/dL", "mm[Hg]", "/min", "10*9/L", "10^3/uL", "{beats}/min", "kg/m2", "%", "1", "[pH]",
        "mL/min/{1.73_m2}", "ug.h/mL", "(8.h)", "mmol/(8.h.kg)", "Cel", "[degF]", "[iU]/L", "U/L",
        "{2 or 3 times}/d", "m[H2O]", "cm[H2O].s/L", "10*-6", "g%", "{score}", "dag", "ng/(24.h)",
        "[in_i'H2O]", "B[SPL]", "uV2/Hz", "{a}{b}", "[Amb'a'1'U]", "mo", "KiBy", "m+2",
    ],
)  # fmt: skip
def test_units(unit: str) -> None:
    assert problem(unit) is None


@pytest.mark.parametrize(
    "unit",
    [
        "", "mmHg", "month", "ea", "tablet", "mg/", "mg//dL", "(mg", "mg)", "mg dL", "k[degF]",
        "mcg", "µg", "kmo", "IU", "{unclosed", "mg/{é}", ".", "()", "hr", "sec", "cc", "x" * 1000,
        "[nope]", "[in_i", "mg.", "lbs", "° C",
    ],
)  # fmt: skip
def test_not_units(unit: str) -> None:
    assert problem(unit) is not None


def test_deep_parentheses_are_no_trouble() -> None:
    assert problem("(" * 200 + "m" + ")" * 200) is None
    assert problem("(" * 400) is not None
