"""Entities as JSON over a wire: there and back, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import mappings
from adapter.errors import UsageError
from adapter.sources.entity_json import read_entity
from mappings.entities import Component, Disposition, Measurement, Subject
from mappings.entity_json import json_schema, to_json

CRP = Measurement(
    key=("a1", "CRP"),
    subject=("01",),
    code="crp",
    when="2024-01-10T08:30:00+08:00",
    value=Decimal("12.50"),
    unit="mg/L",
    components=(Component(code="crp", value=Decimal("1.0")),),
)
CHILD = Subject(
    key=("01",),
    arm="treated",
    sex="male",
    enrolled="2024-01-10",
    disposition=Disposition(key=("01",), subject=("01",), status="withdrawn", date="2024-02-01"),
)


@pytest.mark.parametrize("entity", [CRP, CHILD, replace(CHILD, disposition=None)])
def test_an_entity_survives_json(entity: Any) -> None:
    text = json.dumps(to_json(entity), default=str)
    assert read_entity(to_json(entity)) == entity
    assert "CANARY" not in text


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"code": None}, "$.code", "not of type"),
        ({"value": "CANARY"}, "$.value", "not of type"),
        ({"when": "CANARY"}, "$.when", "pattern"),
        ({"wen": "CANARY"}, "$", "unknown fields: wen"),
        ({"components": [{"code": "crp", "value": True}]}, "$.components[0].value", "type"),
        ({"entity": "CANARY"}, "$.entity", "none of"),
    ],
)
def test_what_is_wrong_is_named_by_path_and_never_quoted(
    change: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_entity({**to_json(CRP), **change})
    assert caught.value.where is not None
    assert caught.value.where.path == path
    assert says in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_a_missing_field_is_named() -> None:
    data = to_json(CRP)
    del data["when"]
    with pytest.raises(UsageError, match="lacks when"):
        read_entity(data)


def test_the_published_schema_is_the_code_s_own() -> None:
    published = Path(mappings.__file__).parent / "entities.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json_schema()
