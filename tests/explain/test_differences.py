"""What decides an element, found by changing one value at a time: the cases that are not plain."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from adapter.explain.differences import Trace, deciding_entities
from adapter.explain.variants import MARK, leaves, others
from mappings import Context, Resource, load_default_context, map_subject
from mappings.entities import (
    Diagnosis,
    Disposition,
    Key,
    Measurement,
    Sample,
    Subject,
    SubjectEntity,
    Visit,
)

CHILD: Key = ("01",)
SUBJECT = Subject(key=CHILD, arm="treated", sex="female", site=("main",), enrolled="2024-03-01")
STAY = Visit(key=CHILD, subject=CHILD, kind="inpatient", start="2024-03-01", end="2024-03-09")
PNEUMONIA = Diagnosis(key=("01", "main"), subject=CHILD, visit=CHILD, term="severe-pneumonia")
END = Disposition(key=CHILD, subject=CHILD, status="withdrawn", date="2024-03-05")
CREATININE = Measurement(
    key=("01", "crea"),
    subject=CHILD,
    visit=CHILD,
    code="creatinine",
    when="2024-03-02",
    value=Decimal("38.0"),
    unit="umol/L",
)
SERUM = Sample(key=("01", "s"), subject=CHILD, material="serum", processing="centrifugation")
RECORD = [SUBJECT, STAY, PNEUMONIA, END, CREATININE, SERUM]


def id_of(resource_type: str, system: str, key: Key) -> str:
    return "-".join((resource_type, system.rpartition("/")[2], *key))


TO = load_default_context("TEST01", id_of)


def trace(own: SubjectEntity, kind: str) -> tuple[Trace, int]:
    at = RECORD.index(own)

    def remap(entities: Sequence[Any], context: Context) -> Resource:
        present = [each for each in entities if each is not None]
        return next(
            made
            for entity, made in map_subject(present, context)
            if entity is entities[at] and made["resourceType"] == kind
        )

    return Trace(RECORD, remap, TO), at


def deciders(own: SubjectEntity, kind: str, path: str) -> set[tuple[str, str]]:
    found = deciding_entities(*trace(own, kind)).get(path, [])
    return {(type(RECORD[at]).__name__, field) for at, field in found}


@pytest.mark.parametrize(
    ("own", "kind", "path", "decided_by"),
    [
        # a code follows its unit: creatinine in mg/dL has another
        (
            CREATININE,
            "Observation",
            "code.coding[0].code",
            {("Measurement", "code"), ("Measurement", "unit")},
        ),
        (CREATININE, "Observation", "valueQuantity.value", {("Measurement", "value")}),
        # what is said by being there at all
        (STAY, "Encounter", "status", {("Visit", "end")}),
        # what another entity of the subject says
        (STAY, "Encounter", "diagnosis[0].condition.reference", {("Diagnosis", "key")}),
        (CREATININE, "Observation", "performer[0].reference", {("Subject", "site")}),
        (
            SUBJECT,
            "ResearchSubject",
            "period.end",
            {("Disposition", "date")},
        ),
        # a sum of two
        (STAY, "Encounter", "length.value", {("Visit", "start"), ("Visit", "end")}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_element_is_decided_by(
    own: SubjectEntity, kind: str, path: str, decided_by: set[tuple[str, str]]
) -> None:
    assert deciders(own, kind, path) == decided_by


def test_a_constant_is_decided_by_nothing() -> None:
    assert deciders(SERUM, "Specimen", "resourceType") == set()


def test_codes_name_the_line_of_their_table() -> None:
    made, _ = trace(SERUM, "Specimen")
    (use,) = made.codes()["processing[0].procedure.coding[0].code"]
    assert (use.table, use.term, use.column) == ("processing", "centrifugation", "code")


@pytest.mark.parametrize(
    ("value", "another"),
    [
        ("2024-03-02", "2020-03-02"),
        ("serum", f"serum{MARK}"),
        (Decimal("1.5"), Decimal("2.5")),
        (True, False),
    ],
)
def test_another_value_is_of_the_same_kind(value: Any, another: Any) -> None:
    (leaf,) = leaves({"it": value})
    assert next(others(leaf, {})) == another


def test_a_key_is_changed_as_one() -> None:
    key = next(leaves(SERUM))
    assert next(others(key, {})) == ("01", f"s{MARK}")
