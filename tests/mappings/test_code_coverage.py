"""Every code found for the study's data elements is written by a mapping, or says why it is not.

``tests/data/study-codes.csv`` lists the elements and their codes. A code is used when it stands in
a code table, each of whose terms a mapping can write, or where ``mappings/codes_beyond_tables.csv``
says that it is written: in a mapping whose element FHIR binds to a fixed list of words, or in a
study folder.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from pathlib import Path

from adapter.validation.definitions import Definitions
from mappings.context import load_tables
from mappings.diagnostic_report import KINDS
from mappings.terms import TERM_TABLES, WORDS

ROOT = Path(__file__).parents[2]
UCUM = "http://unitsofmeasure.org"


def read(path: str) -> list[dict[str, str]]:
    with (ROOT / path).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


WANTED = {(row["system"], row["code"]): row for row in read("tests/data/study-codes.csv")}
BEYOND = {(row["system"], row["code"]): row for row in read("mappings/codes_beyond_tables.csv")}
ROWS = [
    row
    for release in ("R4", "R5")
    for table in load_tables("all", release).values()
    for rows in table.terms.values()
    for row in rows
]
TABLES = load_tables("all")
MAPPINGS = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "mappings").rglob("*.py"))]
# Named in study.yaml, or by a field that takes any term of the table.
NAMED = ("absent-reason", "condition-clinical", "dose-form", "product")
CATEGORIES = {
    name: {rows[0].category for rows in TABLES[name].terms.values()}
    for name in ("measurement", "respiratory-support")
}
# Tables that a mapping reads by a word of an entity's field, or by the term of another table.
LOOKED_UP: dict[str, Collection[str]] = {
    "condition-severity": WORDS["Diagnosis", "severity"],
    "container-additive": TABLES["container"].terms,
    "ctcae-grade": WORDS["Event", "grade"],
    "diagnosis-role": WORDS["Diagnosis", "role"],
    "diagnosis-use": WORDS["Diagnosis", "role"],
    "event-outcome-research": TABLES["event-outcome"].terms,
    "event-relatedness": TABLES["causality"].terms,
    "identifier-type": re.findall(r'typed_identifier\(\s*to, "([^"]+)"', "".join(MAPPINGS)),
    "observation-category": {*CATEGORIES["measurement"], *(kind[0] for kind in KINDS.values())},
    "procedure-category": CATEGORIES["respiratory-support"],
    "sequencing-report": KINDS,
    "severity": WORDS["Event", "severity"],
    "specimen-type-miabis": TABLES["specimen-type"].terms,
    "storage-temperature-miabis": TABLES["storage-temperature"].terms,
    "subject-state": WORDS["Subject", "status"] | WORDS["Disposition", "status"],
    "support-device": TABLES["respiratory-support"].terms,
}
IN_TABLES = {(row.system, row.code) for row in ROWS} | {(UCUM, row.unit) for row in ROWS}


def stands(code: str, file: str) -> bool:
    """True when a file holds the code as a word of its own."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return re.search(rf"(?<![\w-]){re.escape(code)}(?![\w-])", text) is not None


def literal(table: str, term: str) -> bool:
    """True where a mapping that reads the table names the term."""
    return any(f'"{table}"' in text and f'"{term}"' in text for text in MAPPINGS)


def reachable(table: str, term: str) -> bool:
    """True where a mapping can write the term: a field, a registry or the mapping says it."""
    if table in TERM_TABLES.values() or table in NAMED:
        return True
    if table.startswith(("ctgov-", "study-")):  # words of registrations
        return True
    return term in LOOKED_UP.get(table, ()) or literal(table, term)


def test_every_term_of_a_table_can_be_written() -> None:
    dead = [
        (name, term)
        for name, table in TABLES.items()
        for term in table.terms
        if not reachable(name, term)
    ]
    assert dead == []
    assert not reachable("identifier-type", "record-number")


def test_every_code_is_used_or_says_why_not() -> None:
    missing = [
        (row["element"], *key)
        for key, row in WANTED.items()
        if key[0] and key not in IN_TABLES and key not in BEYOND
    ]
    assert missing == []
    assert len(WANTED) > 400


def test_what_is_said_to_be_written_is_written() -> None:
    wrong = [
        (key, row["written_in"])
        for key, row in BEYOND.items()
        if row["written_in"] and not stands(key[1] or key[0], row["written_in"])
    ]
    assert wrong == []
    assert not stands("finishe", "mappings/encounter.py")


def test_what_is_not_used_gives_a_reason_and_stands_in_no_table() -> None:
    for key, row in BEYOND.items():
        assert bool(row["written_in"]) != bool(row["not_used_because"]), key
        assert row["reviewer"], key
        assert key not in IN_TABLES, key
        assert key in WANTED, key


def test_words_that_fhir_fixes_are_words_of_fhir() -> None:
    for (system, code), row in BEYOND.items():
        if not (row["written_in"] and code and system != UCUM):
            continue
        known = [Definitions.shipped(release).code_system(system) for release in ("R4", "R5")]
        codes = {one["code"] for found in known if found for one in found["concept"]}
        assert code in codes, (system, code)


def test_every_table_is_explained() -> None:
    text = (ROOT / "docs/codes.md").read_text(encoding="utf-8")
    names = load_tables("all").keys()
    missing = [n for n in names if f"`{n}`" not in text and not n.startswith("ctgov-")]
    assert missing == []


def test_every_table_is_read_by_a_mapping() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "mappings").rglob("*.py"))
    )
    names = load_tables("all").keys()
    unread = {n for n in names if f'"{n}"' not in source and not n.startswith("ctgov-")}
    assert unread == set()
