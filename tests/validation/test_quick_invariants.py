"""Quick answers of invariants are never other than the FHIRPath engine's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.validation.definitions import CORE, Definitions
from adapter.validation.fhirpath import Environment, compile_invariant
from adapter.validation.quick_invariants import QUICK

DEFINITIONS = {release: Definitions(release) for release in ("R4", "R5")}
QUANTITY = st.fixed_dictionaries(
    {},
    optional={
        "value": st.sampled_from([1, 2.5, 10]),
        "code": st.just("mL"),
        "system": st.just("http://unitsofmeasure.org"),
    },
).filter(bool)
DATES = st.sampled_from(
    [
        "2020",
        "2020-01",
        "2020-01-31",
        "2020-02-01",
        "2020-01-31T10:00:00Z",
        "2021-01-31T10:00:00Z",
        "2020-01-31T10:00:00+08:00",
        "2020-01-31T11:00:00+08:00",
        "2020-01-31T10:30:00-05:00",
    ]
)
CODES = st.sampled_from(
    [
        {"text": "x"},
        {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        {"coding": [{"system": "http://loinc.org", "code": "8462-4"}], "text": "x"},
        {"coding": [{"system": "http://loinc.org"}]},
    ]
)
OBSERVATION = st.fixed_dictionaries(
    {"resourceType": st.just("Observation"), "code": CODES},
    optional={
        "valueString": st.just("x"),
        "dataAbsentReason": st.just({"text": "x"}),
        "hasMember": st.just([{"reference": "Observation/1"}]),
        "component": st.lists(st.fixed_dictionaries({"code": CODES}), min_size=1, max_size=2),
    },
)
VALUES = {
    "Period": st.fixed_dictionaries({}, optional={"start": DATES, "end": DATES}),
    "Quantity": QUANTITY,
    "Range": st.fixed_dictionaries({}, optional={"low": QUANTITY, "high": QUANTITY}),
    "Reference": st.fixed_dictionaries(
        {},
        optional={
            "reference": st.sampled_from(["Patient/1", "#p", "#", "urn:uuid:x"]),
            "display": st.just("x"),
        },
    ),
    "Extension": st.fixed_dictionaries(
        {"url": st.just("http://hl7.org/x")},
        optional={
            "valueString": st.just("x"),
            "extension": st.just([{"url": "y", "valueCode": "z"}]),
        },
    ),
    "ContactPoint": st.fixed_dictionaries(
        {}, optional={"value": st.just("1"), "system": st.just("phone")}
    ),
    "Attachment": st.fixed_dictionaries(
        {}, optional={"data": st.just("AAAA"), "contentType": st.just("text/plain")}
    ),
    "Observation": OBSERVATION,
    "vitalsigns": OBSERVATION,
}
PROFILED = {"vitalsigns": "Observation"}


def quick_ones(release: str, kind: str) -> list[tuple[str, str]]:
    root = DEFINITIONS[release].needed(CORE + kind)["snapshot"]["element"][0]
    return [
        (c["key"], c["expression"])
        for c in root.get("constraint", ())
        if c.get("expression") in QUICK
    ]


@pytest.mark.parametrize("release", ["R4", "R5"])
@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_a_quick_yes_is_the_engines_yes(release: str, kind: str, data: st.DataObject) -> None:
    value: dict[str, Any] = data.draw(VALUES[kind].filter(bool))
    patient = {"resourceType": "Patient", "contained": [{"resourceType": "Basic", "id": "p"}]}
    context = PROFILED.get(kind, kind)
    resource = value if context == "Observation" else patient
    environment = Environment(resource=resource, root=resource)
    for key, expression in quick_ones(release, kind):
        if QUICK[expression](value):
            slow = compile_invariant(expression, DEFINITIONS[release], context, key)
            assert slow(value, None, environment), key


@pytest.mark.parametrize("kind", [k for k in VALUES if k != "Attachment"])
def test_each_type_has_quick_ones(kind: str) -> None:
    assert quick_ones("R4", kind)
