"""What holds for every mapping in every release: it is valid, the same entity gives the same bytes.

Our validator and other people's models both have a say.
"""

from __future__ import annotations

import importlib
import json
import typing
from decimal import Decimal
from typing import Any

import pytest
from child_record import PRODUCT, RECORD, RELEASES, default_context, edges, measured
from entity_strategies import TO
from hypothesis import given, settings
from hypothesis import strategies as st
from study_strategies import WHOLES, any_of

from adapter.validation import Validator
from mappings import Context, Resource, map_entity, map_subject
from mappings import entities as e
from mappings.entity_json import from_json, to_json
from mappings.study_record import map_cohort

MAPPED = (*typing.get_args(e.SubjectEntity), e.Product, *WHOLES)


def as_json(resource: Resource) -> str:
    return json.dumps(resource, default=str, sort_keys=True)


VALIDATORS = {release: Validator(release) for release in RELEASES}
CONTEXTS = {release: default_context(release=release) for release in RELEASES}
MODELS = {"R4": "R4B", "R4B": "R4B", "R5": "R5"}  # fhir.resources has no models of R4 itself

in_each_release = pytest.mark.parametrize("release", RELEASES)
of_each_kind = pytest.mark.parametrize("kind", MAPPED, ids=lambda kind: kind.__name__)


def mapped(entity: Any, to: Context) -> list[Resource]:
    """What an entity maps to on its own; a cohort is none, and has a mapping all the same."""
    return map_cohort([entity], to) if isinstance(entity, e.Cohort) else map_entity(entity, to)


def errors(resource: Resource, release: str) -> list[str]:
    issues = VALIDATORS[release].validate(resource)
    return [f"{i.path}: {i.message}" for i in issues if i.severity in ("error", "fatal")]


def model(resource: Resource, release: str) -> Any:
    package = importlib.import_module(f"fhir.resources.{MODELS[release]}".removesuffix(".R5"))
    return package.get_fhir_model_class(resource["resourceType"]).model_validate(resource)


@in_each_release
@of_each_kind
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_any_entity_is_valid(kind: type, release: str, data: st.DataObject) -> None:
    for resource in mapped(data.draw(any_of(kind)), CONTEXTS[release]):
        assert errors(resource, release) == []
        assert model(resource, release).model_dump_json()


@in_each_release
@of_each_kind
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_the_same_entity_gives_the_same_bytes(
    kind: type, release: str, data: st.DataObject
) -> None:
    entity = data.draw(any_of(kind))
    again = entity if kind is e.Cohort else from_json(to_json(entity))
    assert again == entity
    there = mapped(entity, CONTEXTS[release])
    back = mapped(again, default_context(release=release))
    assert list(map(as_json, there)) == list(map(as_json, back))


@in_each_release
def test_every_code_that_can_be_measured_is_valid_measured_and_missing(release: str) -> None:
    to, flagged = CONTEXTS[release], {"blood-pressure"}  # a panel has no value of its own
    for term in to.tables["measurement"].terms:
        unit = next(iter(to.tables["measurement"].units(term)), None)
        found = {"value": Decimal(1), "unit": unit} if unit else {"flag": True}
        for said in ({"absent": "unknown"}, *([] if term in flagged else [found])):
            measurement = e.Measurement(
                key=("m",), subject=("c",), code=term, when="2024-05-01", **said
            )
            for resource in map_entity(measurement, to):
                assert errors(resource, release) == [], (term, said)


@in_each_release
@pytest.mark.parametrize("entity", edges(), ids=lambda entity: type(entity).__name__)
def test_the_sparse_and_the_unusual_are_valid(entity: e.SubjectEntity, release: str) -> None:
    for resource in map_entity(entity, CONTEXTS[release]):
        assert errors(resource, release) == []
        model(resource, release)


@in_each_release
def test_a_whole_record_is_valid(release: str) -> None:
    made = [resource for _, resource in map_subject(RECORD, CONTEXTS[release])]
    assert [each for each in made if errors(each, release)] == []


@in_each_release
def test_every_resource_names_its_profile(release: str) -> None:
    for _, resource in map_subject(RECORD, CONTEXTS[release]):
        (profile,) = resource["meta"]["profile"]
        assert profile.startswith("https://w3id.org/study-fhir-adapter/StructureDefinition/")


@in_each_release
def test_nothing_in_a_resource_is_empty(release: str) -> None:
    to = CONTEXTS[release]
    made = [r for _, r in map_subject(RECORD, to)]
    made += [r for entity in (*edges(), PRODUCT) for r in map_entity(entity, to)]
    assert [r for r in made if has_empty(r)] == []


def has_empty(value: Any) -> bool:
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return not value or any(map(has_empty, parts))
    return value is None or value == ""


def test_numbers_are_decimals() -> None:
    (observation,) = map_entity(measured("crp", "1.10", "mg/L"), TO)
    assert str(observation["valueQuantity"]["value"]) == "1.10"
