"""Forms of codes whose systems are not carried."""

from __future__ import annotations

import pytest

from adapter.validation import code_forms
from adapter.validation.definitions import Definitions
from adapter.validation.terminology import Terminology

BCP47, BCP13 = "urn:ietf:bcp:47", "urn:ietf:bcp:13"
COUNTRIES, CURRENCIES = "urn:iso:std:iso:3166", "urn:iso:std:iso:4217"
GOOD = [
    (BCP47, "zh-CN"),
    (BCP13, "image/png"),
    (BCP13, "text/plain; charset=utf-8"),
    (BCP13, "application/fhir+json"),
    (COUNTRIES, "CN"),
    (COUNTRIES, "CHN"),
    (CURRENCIES, "CNY"),
    ("http://example.org", "anything"),
]
BAD = [
    (BCP47, "chinese"),
    (BCP13, "png"),
    (BCP13, ".pdf"),
    (COUNTRIES, "China"),
    (COUNTRIES, "QQ"),
    (CURRENCIES, "cny"),
    (CURRENCIES, "$"),
]


@pytest.mark.parametrize(("system", "code"), GOOD)
def test_good_forms(system: str, code: str) -> None:
    assert code_forms.of_coding(system, code, "") == []


@pytest.mark.parametrize(("system", "code"), BAD)
def test_bad_forms(system: str, code: str) -> None:
    assert [i.messageId for i in code_forms.of_coding(system, code, "")] == ["Code_Form"]


def test_a_media_type_and_a_currency_in_their_bindings() -> None:
    terminology = Terminology(Definitions.shipped("R4"), "R4")
    media = "http://hl7.org/fhir/ValueSet/mimetypes|4.0.1"
    currency = "http://hl7.org/fhir/ValueSet/currencies|4.0.1"
    for code, url, said in (
        ("pdf", media, True),
        ("application/pdf", media, False),
        ("json", media, False),
        ("euro", currency, True),
        ("EUR", currency, False),
    ):
        found = terminology.check_code(code, url, "required", "p")
        assert ("Code_Form" in {i.messageId for i in found}) is said, code
        assert not [i for i in found if i.severity == "error"]
