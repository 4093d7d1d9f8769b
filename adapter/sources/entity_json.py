"""Study entities that arrive as JSON: checked against their schema before they are believed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from adapter.errors import UsageError, Where
from mappings.entities import Entity
from mappings.entity_json import from_json, json_schema


def read_entity(data: Any) -> Entity:
    """The entity of a parsed JSON object (decimals as ``Decimal``).

    Raises UsageError with the JSON path of what is wrong; the message quotes no value.
    """
    error = best_match(_schema().iter_errors(_with_floats(data)))
    if error is not None:
        raise UsageError(
            _words(error),
            where=Where(path="$" + "".join(_step(part) for part in error.absolute_path)),
            hint="mappings/entities.schema.json describes every entity",
        )
    return from_json(data)


@cache
def _schema() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


def _with_floats(data: Any) -> Any:
    """jsonschema does not count ``Decimal`` among numbers."""
    if isinstance(data, Decimal):
        return float(data)
    if isinstance(data, dict):
        return {key: _with_floats(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_with_floats(value) for value in data]
    return data


def _step(part: str | int) -> str:
    return f"[{part}]" if isinstance(part, int) else f".{part}"


def _words(error: ValidationError) -> str:
    if error.validator == "required" and isinstance(error.validator_value, list):
        present: Any = error.instance
        missing = [name for name in error.validator_value if name not in present]
        return f"lacks {', '.join(missing)}"
    if error.validator == "additionalProperties" and isinstance(error.schema, Mapping):
        given: Any = error.instance
        unknown = sorted(set(given) - set(error.schema["properties"]))
        return f"has unknown fields: {', '.join(unknown)}"
    if error.validator == "enum" and isinstance(error.validator_value, list):
        return f"is none of: {', '.join(error.validator_value)}"
    if error.validator == "type":
        return f"is not of type {error.validator_value}"
    return f"breaks the rule {error.validator}: {error.validator_value}"
