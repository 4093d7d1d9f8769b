"""Every shipped code: check digits, displays, units, licences, and the terms of entities."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

import pytest
from child_record import RECORD, default_context

from adapter.validation.definitions import Definitions
from adapter.validation.ucum import problem
from mappings import map_entity
from mappings.code_tables import AFFILIATE, CodeRow, CodeTable, freely_licensed, merged, read_table
from mappings.context import Resource, load_tables
from mappings.locations import CANONICAL
from mappings.terms import TERM_TABLES, WORDS

TABLES = load_tables("all")


def rows_of(tables: Mapping[str, CodeTable]) -> list[tuple[str, CodeRow]]:
    """Every row with the name of its table."""
    return [
        (name, r) for name, table in tables.items() for rows in table.terms.values() for r in rows
    ]


ROWS = rows_of(TABLES)
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


def test_a_relation_is_one_of_concept_map() -> None:
    words = {"", "related-to", "source-is-narrower-than-target"}
    assert {row.relation for _, row in ROWS} == words


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


@pytest.mark.parametrize("unit", sorted({row.unit for _, row in ROWS if row.unit}))
def test_units_are_ucum(unit: str) -> None:
    assert problem(unit) is None


GPS = "http://terminology.hl7.org/ValueSet/snomed-intl-gps"
LICENCES = {
    SNOMED: AFFILIATE,  # and snomed-gps inside the Global Patient Set
    LOINC: "loinc",
    "http://hl7.org/fhir/sid/icd-10": "who-icd-10",
    "http://www.whocc.no/atc": "who-atc",
    "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl": "ncit",
    "urn:iso:std:iso:3166": "iso-3166",
    "http://hl7.org/fhir": "cc0",
    "http://terminology.hl7.org/CodeSystem": "cc0",
    "https://fhir.bbmri-eric.eu/CodeSystem": "miabis",
    CANONICAL: "own",
    "": "own",
}


@cache
def global_patient_set() -> dict[str, str]:
    """Code to name of the 26,158 concepts of HL7's value set, which the validator ships."""
    value_set = Definitions.shipped("R4").value_set(GPS)
    assert value_set is not None
    (include,) = value_set["compose"]["include"]
    return {one["code"]: one["display"] for one in include["concept"]}


def licence(row: CodeRow) -> str:
    """The licence that a row's code stands under."""
    if row.system == SNOMED and row.code in global_patient_set():
        return "snomed-gps"
    return next(
        LICENCES[base]
        for base in sorted(LICENCES, key=len, reverse=True)
        if row.system == base or row.system.startswith(base + "/") or not base
    )


def test_every_row_states_its_licence_and_reviewer() -> None:
    wrong = [(name, row.term, licence(row)) for name, row in ROWS if row.licence != licence(row)]
    assert wrong == []
    assert [(name, row.term) for name, row in ROWS if not row.reviewer] == []


def test_the_licence_of_a_concept_is_found_out() -> None:
    row = TABLES["respiratory-support"].rows("hfnc")[0]
    assert licence(row) == AFFILIATE
    assert licence(TABLES["respiratory-support"].rows("mask")[0]) == "snomed-gps"


def designations(release: str, system: str) -> dict[str, set[str]] | None:
    """Code to the names that a code system gives it; None for a system that is not shipped."""
    found = Definitions.shipped(release).code_system(system)
    if found is None or found.get("content") != "complete":
        return None
    names: dict[str, set[str]] = {}
    stack = list(found.get("concept", ()))
    while stack:
        one = stack.pop()
        others = {other["value"] for other in one.get("designation", ())}
        names[one["code"]] = {one.get("display", one["code"]).strip()} | others
        stack.extend(one.get("concept", ()))
    return names


@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
def test_displays_are_the_system_s_own(release: str) -> None:
    rows = rows_of(load_tables("all", release))
    systems = {row.system for _, row in rows if row.code}
    shipped = {system: designations(release, system) for system in sorted(systems)}
    checked, wrong = 0, []
    for name, row in rows:
        names = shipped.get(row.system)
        if names is None or not row.code:
            continue
        checked += 1
        if row.code not in names or (row.display and row.display not in names[row.code]):
            wrong.append((name, row.term, row.code, row.display, names.get(row.code)))
    assert wrong == []
    assert checked > 150


def test_r5_names_the_systems_that_its_elements_are_bound_to() -> None:
    coded = {release: load_tables(release=release)["study-phase"] for release in ("R4B", "R5")}
    r4b, r5 = (table.rows("PHASE2")[0] for table in coded.values())
    assert r4b.system == "http://terminology.hl7.org/CodeSystem/research-study-phase"
    assert (r5.system, r5.code) == ("http://hl7.org/fhir/research-study-phase", r4b.code)


def test_names_of_the_global_patient_set_are_its_own() -> None:
    known = global_patient_set()
    renamed = {"40617009"}  # since the list of 2020
    rows = [row for _, row in ROWS if row.licence == "snomed-gps" and row.code not in renamed]
    assert len(rows) > 200
    assert [(row.code, row.display) for row in rows if known[row.code] != row.display] == []


def test_without_an_affiliate_licence_every_term_keeps_a_code() -> None:
    for name, free in load_tables().items():
        for term, rows in free.terms.items():
            assert AFFILIATE not in {row.licence for row in rows}, (name, term)
            for unit in TABLES[name].units(term) or (None,):
                had = any(row.code for row in TABLES[name].rows(term, unit))
                assert had == any(row.code for row in free.rows(term, unit)), (name, term, unit)


def test_a_code_of_our_own_stands_in_for_a_licensed_one() -> None:
    free = load_tables()
    (hfnc,) = free["respiratory-support"].rows("hfnc")
    assert hfnc.coding() == {
        "system": f"{CANONICAL}/CodeSystem/respiratory-support",
        "code": "hfnc",
        "display": "High flow nasal cannula",
    }
    assert hfnc.category == "oxygen-therapy"
    (peep,) = free["measurement"].rows("peep", "cm[H2O]")
    assert peep.system == LOINC


def test_a_stand_in_holds_for_the_units_that_lost_their_code() -> None:
    lines = [HEADER_OF_LICENCES]
    lines += [f"flow,Flow,{SNOMED},18491006,Flow,{unit},x,,{AFFILIATE}\n" for unit in ("L/s", "L")]
    lines += [f"flow,Flow,{LOINC},33452-4,Flow,L/s,x,,loinc\n"]
    table = freely_licensed(read_table("flow", lines))
    assert [row.code for row in table.rows("flow", "L/s")] == ["33452-4"]
    assert [row.code for row in table.rows("flow", "L")] == ["flow"]


def test_a_stand_in_means_what_our_own_code_means() -> None:
    taken = {(row.system, row.code): row.term for _, row in ROWS if row.licence == "own"}
    for name, table in load_tables().items():
        for term, rows in table.terms.items():
            for row in rows:
                if row.system == f"{CANONICAL}/CodeSystem/{name}" and row.code == term:
                    assert taken.get((row.system, term), term) == term


def codings(value: object) -> Iterator[Resource]:
    """Every object below a value that has a system and a code."""
    if isinstance(value, dict):
        if "system" in value and "code" in value:
            yield value
        for part in value.values():
            yield from codings(part)
    elif isinstance(value, list):
        for part in value:
            yield from codings(part)


@pytest.mark.parametrize("snomed", ["gps", "all"])
def test_a_child_s_record_is_mapped_with_and_without_a_licence(snomed: str) -> None:
    to = default_context(snomed)
    resources = [resource for entity in RECORD for resource in map_entity(entity, to)]
    found = [one["code"] for one in codings(resources) if one["system"] == SNOMED]
    outside = set(found) - global_patient_set().keys()
    assert bool(outside) == (snomed == "all")


HEADER_OF_LICENCES = "term,label,system,code,display,unit,source,reviewer,licence\n"
HEADER = "term,label,system,code,display,unit,source\n"


def test_a_study_adds_and_replaces_terms() -> None:
    own = read_table("route", [HEADER, "oral,By mouth,s,1,By mouth,,us\n", "ear,Ear,s,2,Ear,,us\n"])
    both = merged(TABLES["route"], own)
    assert both.rows("oral")[0].label == "By mouth"
    assert {"ear", "nasal"} <= both.terms.keys()


def test_a_table_without_a_column_is_refused() -> None:
    with pytest.raises(ValueError, match="missing column unit, source"):
        read_table("mine", ["term,label,system,code,display\n"])
