"""Code tables as ConceptMaps: what is matched, what is not, and that each release takes it."""

from __future__ import annotations

import pytest

from adapter.validation import Validator
from mappings.code_tables import CodeTable, read_table
from mappings.concept_map import concept_map, concept_maps
from mappings.context import load_tables
from mappings.locations import CANONICAL

OWN = f"{CANONICAL}/CodeSystem/study-observation"
HEADER = "term,label,system,code,display,unit,source,reviewer,licence\n"
SMALL = read_table(
    "lab-test",
    [
        HEADER,
        "creatinine,Creatinine,http://loinc.org,14682-9,Creatinine molar,umol/L,x,pending,loinc\n",
        "creatinine,Creatinine,http://loinc.org,2160-0,Creatinine mass,mg/dL,x,pending,loinc\n",
        f"weaned,Weaned,{OWN},weaned,Weaned,,LOCAL,pending,own\n",
        "whatever,Whatever,,,,,x,pending,\n",
    ],
)


def test_a_code_depends_on_its_unit_in_r4() -> None:
    group = concept_map(SMALL, "R4")["group"][0]
    assert group["source"] == f"{CANONICAL}/CodeSystem/lab-test"
    assert group["target"] == "http://loinc.org"
    molar, mass = group["element"][0]["target"]
    assert (molar["code"], molar["equivalence"]) == ("14682-9", "equivalent")
    assert mass["dependsOn"][0]["value"] == "mg/dL"


def test_r5_has_its_own_words() -> None:
    matched, unmatched = concept_map(SMALL, "R5")["group"]
    molar = matched["element"][0]["target"][0]
    assert molar["relationship"] == "equivalent"
    assert molar["dependsOn"][0]["valueCoding"]["code"] == "umol/L"
    assert [one["noMap"] for one in unmatched["element"]] == [True, True]


def relation(table: str, term: str, release: str) -> list[str]:
    """What the map of a shipped table says of each code of a term."""
    groups = concept_map(load_tables("all", release)[table], release)["group"]
    elements = [one for group in groups for one in group["element"] if one["code"] == term]
    word = "relationship" if release == "R5" else "equivalence"
    return [target[word] for one in elements for target in one["target"]]


def test_a_code_may_be_wider_than_its_term() -> None:
    assert relation("diagnosis", "severe-pneumonia", "R4") == ["wider", "wider"]
    narrower = "source-is-narrower-than-target"
    assert relation("diagnosis", "severe-pneumonia", "R5") == [narrower, narrower]
    assert relation("diagnosis", "pneumonia", "R5") == ["equivalent", "equivalent"]
    assert relation("visit-class", "home", "R4B") == ["relatedto"]


@pytest.mark.parametrize("release", ["R4", "R4B"])
def test_our_own_code_is_no_match(release: str) -> None:
    unmatched = concept_map(SMALL, release)["group"][1]
    assert unmatched["target"] == "http://loinc.org"  # HAPI wants one even here
    assert [one["code"] for one in unmatched["element"]] == ["weaned", "whatever"]
    assert unmatched["element"][0]["target"] == [{"equivalence": "unmatched"}]


def test_it_stays_a_draft_until_each_row_is_reviewed() -> None:
    read = [HEADER, "oral,Oral,http://snomed.info/sct,26643006,Oral route,,x,A. Reader,cc0\n"]
    reviewed = read_table("route", read)
    assert concept_map(SMALL, "R4")["status"] == "draft"
    assert concept_map(reviewed, "R4")["status"] == "active"
    assert "SNOMED International" in concept_map(reviewed, "R4")["copyright"]


def test_a_table_of_our_own_codes_has_no_map() -> None:
    own = CodeTable("own", {"weaned": SMALL.terms["weaned"]})
    assert concept_maps({"own": own, "lab": SMALL}, "R5") == [concept_map(SMALL, "R5")]


@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
def test_every_map_is_valid(release: str) -> None:
    validator = Validator(release)
    maps = concept_maps(load_tables(), release)
    assert len(maps) > 40
    found = [
        (one["id"], issue.path, issue.message)
        for one in maps
        for issue in validator.validate(one)
        if issue.severity in ("error", "fatal")
    ]
    assert found == []
    assert [one["id"] for one in maps if "_" in one["id"]] == []


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_every_term_stands_in_its_map(release: str) -> None:
    tables = load_tables()
    for one in concept_maps(tables, release):
        terms = {element["code"] for group in one["group"] for element in group["element"]}
        assert terms == tables[one["id"]].terms.keys()
