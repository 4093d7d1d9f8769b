"""FHIR JSON, exact: decimals keep their digits, equality is FHIR's.

``1.10`` and ``1.1`` are different content (``canonical``, ``content_hash``) and equal values
(``normalised``, ``equal``).  https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from decimal import Decimal
from typing import Any

import orjson

SERVER_META = frozenset(("versionId", "lastUpdated", "source"))
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")


def _decimal(value: Any) -> Any:
    if isinstance(value, Decimal):
        # 1e999999999 is nine digits as it came, and a gigabyte of zeros without its exponent
        plain = -7 < value.adjusted() < 40 and value.is_finite()
        return orjson.Fragment(format(value, "f") if plain else str(value))
    raise TypeError(f"no JSON for {type(value).__name__}")


def dumps(value: Any) -> bytes:
    """JSON in insertion order, without spaces; a Decimal is written with all its digits."""
    return orjson.dumps(value, default=_decimal)


def pretty(value: Any) -> str:
    """JSON for people, over several lines; a Decimal is written with all its digits."""
    return orjson.dumps(value, default=_decimal, option=orjson.OPT_INDENT_2).decode()


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


_QUICK = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse)
_STRICT = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_object)


def loads(text: bytes | str) -> Any:
    """Parsed JSON with numbers as Decimal or int.

    Raises ValueError for what is not JSON, for NaN and Infinity, and for a key that stands twice.
    """
    return _decoded(_STRICT, text)


def loads_answer(text: bytes) -> Any:
    """Parsed JSON of a server's answer, numbers as Decimal or int: as ``loads``, but quicker.

    Of a key that stands twice the last one counts. Raises ValueError for what is not JSON.
    """
    return _decoded(_QUICK, text)


def _decoded(decoder: json.JSONDecoder, text: bytes | str) -> Any:
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    try:
        return decoder.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def canonical(value: Any) -> bytes:
    """JSON with sorted keys: equal content, equal bytes."""
    return orjson.dumps(value, default=_decimal, option=orjson.OPT_SORT_KEYS)


def content_hash(resource: dict[str, Any]) -> str:
    """sha256 of the content that we decide on: without what a server writes into ``meta``."""
    return hashlib.sha256(canonical(without_server_meta(resource))).hexdigest()


def without_server_meta(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource without what a server writes into ``meta``."""
    meta = resource.get("meta")
    if not isinstance(meta, dict) or SERVER_META.isdisjoint(meta):
        return resource
    kept = {name: value for name, value in meta.items() if name not in SERVER_META}
    return {**resource, "meta": kept}


def normalised(resource: dict[str, Any]) -> Any:
    """The resource as FHIR compares it.

    Decimals by value, instants by moment, tags and security labels in any order; server-set meta
    and generated narrative left out.
    """
    bare = without_server_meta(resource)
    text = bare.get("text")
    if isinstance(text, dict) and text.get("status") == "generated":
        bare = {name: value for name, value in bare.items() if name != "text"}
    meta = bare.get("meta")
    if isinstance(meta, dict):
        sets = {n: sorted(v, key=canonical) for n, v in meta.items() if isinstance(v, list)}
        bare = {**bare, "meta": {**meta, **sets}}
        if not bare["meta"]:
            del bare["meta"]
    return _normal(bare)


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _normal(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, Decimal | int | float):
        return Decimal(str(value)).normalize()
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        return dt.datetime.fromisoformat(value).astimezone(dt.UTC)
    return value


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """FHIR equality of two resources."""
    if without_server_meta(one) == without_server_meta(other):
        return True
    return bool(normalised(one) == normalised(other))
