"""What holds for every mapping: models accept it, the same entity gives the same bytes."""

from __future__ import annotations

import json
import typing
from typing import Any

import pytest
from child_record import PRODUCT, RECORD, default_context, edges, measured
from entity_strategies import TO, entities
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings import Resource, map_entity, map_subject
from mappings import entities as e
from mappings.entity_json import from_json, to_json

MAPPED = (*typing.get_args(e.SubjectEntity), e.Product)


def as_json(resource: Resource) -> str:
    return json.dumps(resource, default=str, sort_keys=True)


@pytest.mark.parametrize("kind", MAPPED, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_models_accept_any_entity(kind: type, data: st.DataObject) -> None:
    entity = data.draw(entities(kind))
    for resource in map_entity(entity, TO):
        model = get_fhir_model_class(resource["resourceType"])
        assert model.model_validate(resource).model_dump_json()


@pytest.mark.parametrize("kind", MAPPED, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_the_same_entity_gives_the_same_bytes(kind: type, data: st.DataObject) -> None:
    entity = data.draw(entities(kind))
    again = from_json(to_json(entity))
    assert again == entity
    there, back = map_entity(entity, TO), map_entity(again, default_context())
    assert list(map(as_json, there)) == list(map(as_json, back))


@pytest.mark.parametrize("entity", edges(), ids=lambda entity: type(entity).__name__)
def test_models_accept_the_sparse_and_the_unusual(entity: e.SubjectEntity) -> None:
    for resource in map_entity(entity, TO):
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def test_nothing_in_a_resource_is_empty() -> None:
    made = [r for _, r in map_subject(RECORD, TO)]
    made += [r for entity in (*edges(), PRODUCT) for r in map_entity(entity, TO)]
    assert [r for r in made if has_empty(r)] == []


def has_empty(value: Any) -> bool:
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return not value or any(map(has_empty, parts))
    return value is None or value == ""


def test_numbers_are_decimals() -> None:
    (observation,) = map_entity(measured("crp", "1.10", "mg/L"), TO)
    assert str(observation["valueQuantity"]["value"]) == "1.10"
