"""Study entities as JSON: the JSON Schema made from the dataclasses, and the way in and out.

An entity in JSON is its fields by name plus ``entity``, the class. Decimals are JSON numbers; keys
are arrays of text; what is absent is left out. ``mappings/entities.schema.json`` is this module's
output, kept in the repository for people and other tools (a test holds the two together).
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mappings import entities
from mappings.context import CANONICAL, present
from mappings.terms import DATE_FIELDS, WORDS

ENTITIES: tuple[type, ...] = tuple(
    sorted(typing.get_args(entities.Entity), key=lambda kind: str(kind.__name__))
)
DATE = r"^\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?$"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of any study entity."""
    parts = {kind.__name__: _object(kind, top=True) for kind in ENTITIES}
    nested = {"Component", "Finding", "Answer", "Suspect", *_nested(entities.Study)}
    for name in sorted(nested - parts.keys()):
        parts[name] = _object(getattr(entities, name), top=False)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{CANONICAL}/schema/entities",
        "title": "A study entity",
        "type": "object",
        "required": ["entity"],
        "properties": {"entity": {"enum": [kind.__name__ for kind in ENTITIES]}},
        "allOf": [
            {
                "if": {"properties": {"entity": {"const": kind.__name__}}},
                "then": {"$ref": f"#/$defs/{kind.__name__}"},
            }
            for kind in ENTITIES
        ],
        "$defs": {name: parts[name] for name in sorted(parts)},
    }


def from_json(data: Mapping[str, Any]) -> entities.Entity:
    """The entity of a JSON object that ``json_schema()`` accepts."""
    kind = getattr(entities, data["entity"])
    entity: entities.Entity = _build(kind, {k: v for k, v in data.items() if k != "entity"})
    return entity


def to_json(entity: entities.Entity) -> dict[str, Any]:
    """The entity as a JSON object; decimals stay ``Decimal``."""
    return {"entity": type(entity).__name__, **_plain(entity)}


def _plain(entity: Any) -> dict[str, Any]:
    found = {}
    for each in dataclasses.fields(entity):
        value = _plain_value(getattr(entity, each.name))
        if value is False or present(value):
            found[each.name] = value
    return found


def _plain_value(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = _plain(value)
        if type(value) in ENTITIES:
            return {"entity": type(value).__name__, **plain}
        return plain
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return value


def _build(kind: type, data: Mapping[str, Any]) -> Any:
    hints = typing.get_type_hints(kind, vars(entities))
    return kind(
        **{n: _value(hints[n], v) for n, v in data.items() if n != "entity" and v is not None}
    )


def _value(hint: Any, value: Any) -> Any:
    hint = _bare(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _build(hint, value)
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_value(inner[0], item) for item in value)
        return tuple(_value(each, item) for each, item in zip(inner, value, strict=True))
    if hint is Decimal:
        return Decimal(str(value))
    return value


def _bare(hint: Any) -> Any:
    """The type without ``| None``."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return next(each for each in typing.get_args(hint) if each is not type(None))
    return hint


def _object(kind: type, *, top: bool) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, vars(entities))
    own = [f for f in dataclasses.fields(kind) if f.name != "disposition"]
    needed = [f.name for f in own if f.default is dataclasses.MISSING]
    properties = {f.name: _property(kind, f.name, _bare(hints[f.name])) for f in own}
    if kind is entities.Subject:
        properties["disposition"] = {"$ref": "#/$defs/Disposition"}
    if top:
        properties["entity"] = {"const": kind.__name__}
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip().splitlines()[0],
        "additionalProperties": False,
        "required": needed,
        "properties": dict(sorted(properties.items())),
    }


def _property(kind: type, name: str, hint: Any) -> dict[str, Any]:
    if (kind.__name__, name) in WORDS:
        return {"enum": sorted(WORDS[(kind.__name__, name)])}
    if hint is str and name in DATE_FIELDS:
        return {"type": "string", "pattern": DATE}
    return _type(hint)


def _type(hint: Any) -> dict[str, Any]:
    hint = _bare(hint)
    if dataclasses.is_dataclass(hint):
        return {"$ref": f"#/$defs/{getattr(hint, '__name__', '')}"}
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return {"type": "array", "items": _type(inner[0])}
        return {
            "type": "array",
            "prefixItems": [_type(each) for each in inner],
            "minItems": len(inner),
            "maxItems": len(inner),
        }
    plain: dict[Any, dict[str, Any]] = {
        str: {"type": "string", "minLength": 1},
        bool: {"type": "boolean"},
        int: {"type": "integer"},
        Decimal: {"type": "number"},
    }
    return plain[hint]


def _nested(kind: type) -> set[str]:
    found: set[str] = set()
    for hint in typing.get_type_hints(kind, vars(entities)).values():
        inner = _bare(hint)
        if typing.get_origin(inner) is tuple:
            inner = _bare(typing.get_args(inner)[0])
        if dataclasses.is_dataclass(inner) and isinstance(inner, type):
            found |= {inner.__name__} | _nested(inner)
    return found
