"""Flavours: whose profile a resource names, and what cannot stand together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mappings.context import load_flavours
from mappings.flavours import profiles_of, refusal

TABLE = load_flavours()
OURS = "https://w3id.org/study-fhir-adapter/StructureDefinition/mii-studie-subject"
THEIRS = (
    "https://www.medizininformatik-initiative.de/fhir/modul-studie/StructureDefinition/"
    "mii-pr-studie-proband"
)


def test_other_peoples_profiles_are_named_only_when_their_package_is_there() -> None:
    assert profiles_of(TABLE, ["mii-studie"])["ResearchSubject"] == [OURS]
    supplied = profiles_of(TABLE, ["mii-studie"], {THEIRS})
    assert supplied["ResearchSubject"] == [OURS, THEIRS]


def test_without_flavours_every_type_keeps_its_own_profile() -> None:
    assert profiles_of(TABLE, [], {THEIRS}) == {}


def test_flavours_of_different_types_go_together() -> None:
    assert refusal(TABLE, {row.name for row in TABLE}, "R4") is None


def test_those_that_exclude_each_other_are_refused_with_the_reason() -> None:
    row = replace(TABLE[0], excludes=frozenset({"miabis"}), reason="they differ")
    why = refusal([row, *TABLE], ["mii-studie", "miabis"], "R4")
    assert why == "mii-studie and miabis exclude each other: they differ"


def test_exclusion_is_mutual() -> None:
    for row in TABLE:
        for other in row.excludes:
            assert row.name in {n for each in TABLE if each.name == other for n in each.excludes}


def test_each_row_that_can_be_refused_says_why() -> None:
    for row in TABLE:
        assert row.reason or (len(row.releases) == 3 and not row.excludes), row.name


def test_two_flavours_of_one_type_are_refused_and_never_overwrite_each_other() -> None:
    specimen = next(row for row in TABLE if row.name == "miabis")
    table = [*TABLE, replace(specimen, name="another", profile="another-sample")]
    assert refusal(table, ["miabis"], "R4") is None
    reason = "miabis and another exclude each other: both reshape Specimen"
    assert refusal(table, ["another", "miabis"], "R4") == reason
    with pytest.raises(ValueError, match="miabis and another both reshape Specimen"):
        profiles_of(table, ["another", "miabis"])
