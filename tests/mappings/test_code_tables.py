"""Every shipped code: check digits, displays, sources, and the terms that entities point to."""

from __future__ import annotations

import re

import pytest

from mappings.code_tables import CodeRow, merged, read_table
from mappings.context import CANONICAL, load_tables
from mappings.terms import TERM_TABLES, WORDS

TABLES = load_tables()
ROWS = [
    (name, row) for name, table in TABLES.items() for rows in table.terms.values() for row in rows
]
SNOMED, LOINC = "http://snomed.info/sct", "http://loinc.org"
# answers (LA...) have a check of another kind
LOINCS = sorted({row.code for _, row in ROWS if row.system == LOINC and row.code[0].isdigit()})

# The dihedral group's multiplication, and the permutation of a digit by its place.
TIMES = (
    *("0123456789", "1234067895", "2340178956", "3401289567", "4012395678"),
    *("5987604321", "6598710432", "7659821043", "8765932104", "9876543210"),
)
PERMUTED = (
    *("0123456789", "1576283094", "5803796142", "8916043527"),
    *("9453126870", "4286573901", "2793806415", "7046913258"),
)


def verhoeff(code: str) -> bool:
    """SNOMED's check digit."""
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = int(TIMES[check][int(PERMUTED[place % 8][int(digit)])])
    return check == 0


def mod10(code: str) -> bool:
    """LOINC's check digit, as for credit cards (Luhn)."""
    digits, check = code.split("-")
    odd = str(2 * int(digits[::-2][::-1])) + digits[-2::-2][::-1]
    return (10 - sum(map(int, odd)) % 10) % 10 == int(check)


def test_the_checks_can_fail() -> None:
    assert mod10("3150-0")
    assert not mod10("3150-6")  # circulates widely as FiO2
    assert verhoeff("233604007")
    assert not verhoeff("233604070")


@pytest.mark.parametrize("code", LOINCS)
def test_loinc_check_digit(code: str) -> None:
    assert mod10(code)


@pytest.mark.parametrize("code", sorted({row.code for _, row in ROWS if row.system == SNOMED}))
def test_snomed_check_digit(code: str) -> None:
    assert verhoeff(code)


def ours() -> list[tuple[str, CodeRow]]:
    return [(name, row) for name, row in ROWS if not name.startswith("ctgov-")]


def test_every_row_is_complete() -> None:
    for name, row in ours():
        assert row.label, (name, row.term)
        assert row.source, (name, row.term)
        assert bool(row.code) == bool(row.system), (name, row.term)
        if row.system != "http://hl7.org/fhir/sid/icd-10" and row.code:
            assert row.display, (name, row.term)  # WHO's texts are not ours to ship


def test_local_codes_live_in_our_code_systems() -> None:
    for name, row in ours():
        if row.source == "LOCAL":
            assert row.system.startswith(f"{CANONICAL}/CodeSystem/"), (name, row.term)
            assert re.fullmatch(r"[a-z0-9.]+(-[a-z0-9.]+)*", row.code), (name, row.term)


def test_a_local_code_means_one_thing() -> None:
    meanings: dict[tuple[str, str], set[str]] = {}
    for _, row in ROWS:
        if row.source == "LOCAL":
            meanings.setdefault((row.system, row.code), set()).add(row.display)
    assert {key: found for key, found in meanings.items() if len(found) > 1} == {}


def test_every_term_of_an_entity_has_a_table() -> None:
    assert set(TERM_TABLES.values()) <= TABLES.keys()


def test_words_that_tables_explain_are_all_there() -> None:
    assert WORDS[("Diagnosis", "role")] <= TABLES["diagnosis-role"].terms.keys()
    assert WORDS[("Diagnosis", "severity")] <= TABLES["condition-severity"].terms.keys()
    assert WORDS[("Event", "severity")] <= TABLES["severity"].terms.keys()
    assert WORDS[("Event", "grade")] <= TABLES["ctcae-grade"].terms.keys()


def test_every_measurement_and_support_has_a_category() -> None:
    for table, categories in (
        ("measurement", "observation-category"),
        ("respiratory-support", "procedure-category"),
    ):
        for rows in TABLES[table].terms.values():
            assert {row.category for row in rows} <= TABLES[categories].terms.keys()


def test_a_product_is_a_drug_too() -> None:
    assert TABLES["product"].terms.keys() <= TABLES["drug"].terms.keys()


def test_units_are_asked_by_term() -> None:
    assert TABLES["measurement"].units("creatinine") == ("umol/L", "mg/dL")
    assert TABLES["measurement"].units("prognosis") == ()


HEADER = "term,label,system,code,display,unit,source\n"


def test_a_study_adds_and_replaces_terms() -> None:
    own = read_table("route", [HEADER, "oral,By mouth,s,1,By mouth,,us\n", "ear,Ear,s,2,Ear,,us\n"])
    both = merged(TABLES["route"], own)
    assert both.rows("oral")[0].label == "By mouth"
    assert {"ear", "nasal"} <= both.terms.keys()


def test_a_table_without_a_column_is_refused() -> None:
    with pytest.raises(ValueError, match="missing column unit, source"):
        read_table("mine", ["term,label,system,code,display\n"])
