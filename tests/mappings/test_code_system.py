"""Our own code systems: complete, valid in each release, and the source of every map."""

from __future__ import annotations

import pytest

from adapter.validation import Validator
from mappings.code_system import OURS, code_systems, own_codes
from mappings.concept_map import concept_maps
from mappings.context import load_tables

TABLES = load_tables("all")
CODES = own_codes(TABLES)


def test_a_code_for_what_no_standard_has() -> None:
    assert CODES[f"{OURS}study-observation"]["ventilator-days"] == "Ventilator days"
    assert CODES[f"{OURS}respiratory-support"]["hfnc"] == "High flow nasal cannula"


def test_every_code_of_ours_that_may_be_written_is_defined() -> None:
    for tables in (TABLES, load_tables()):
        for table in tables.values():
            for rows in table.terms.values():
                for row in rows:
                    if row.code and row.system.startswith(OURS):
                        assert CODES[row.system][row.code] == row.display


def test_every_source_of_a_map_is_defined() -> None:
    for one in concept_maps(TABLES, "R5"):
        for group in one["group"]:
            assert {element["code"] for element in group["element"]} <= CODES[
                group["source"]
            ].keys()


@pytest.mark.parametrize("release", ["R4", "R4B", "R5"])
def test_every_code_system_is_valid(release: str) -> None:
    validator = Validator(release)
    found = [
        (one["id"], issue.path, issue.message)
        for one in code_systems(TABLES)
        for issue in validator.validate(one)
        if issue.severity in ("error", "fatal")
    ]
    assert found == []
