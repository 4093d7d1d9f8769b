"""FHIR JSON laws: exact decimals, order-free hashes, FHIR's own equality."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.fhir.json import canonical, content_hash, dumps, equal, loads

DECIMALS = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | DECIMALS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: exact(item) for name, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    return str(value) if isinstance(value, Decimal) else value


@given(VALUES)
def test_what_is_written_is_read_back_digit_for_digit(value: Any) -> None:
    read = loads(dumps(value))
    assert read == value
    assert exact(loads(dumps(read))) == exact(read)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))
    assert canonical(value) == canonical(turned)
    assert equal(value, turned)


def test_1_10_and_1_1_are_other_content_and_the_same_value() -> None:
    one, other = ({"value": Decimal(text)} for text in ("1.10", "1.1"))
    assert dumps(one) == b'{"value":1.10}'
    assert content_hash(one) != content_hash(other)
    assert equal(one, other)


def test_what_a_server_adds_to_meta_does_not_count() -> None:
    ours: dict[str, Any] = {
        "resourceType": "Patient",
        "meta": {"tag": [{"code": "a"}, {"code": "b"}]},
    }
    theirs = {
        "resourceType": "Patient",
        "text": {"status": "generated", "div": "<div/>"},
        "meta": {"versionId": "3", "lastUpdated": "2024-01-01T00:00:00Z", "source": "#x",
                 "tag": [{"code": "b"}, {"code": "a"}]},
    }  # fmt: skip
    assert equal(ours, theirs)
    assert not equal(ours, {**theirs, "gender": "male"})


def test_instants_are_equal_by_moment() -> None:
    assert equal({"t": "2024-01-01T08:00:00+08:00"}, {"t": "2024-01-01T00:00:00Z"})
    assert not equal({"t": "2024-01-01"}, {"t": "2024-01-01T00:00:00Z"})


@pytest.mark.parametrize(
    "text", ['{"a":1,"a":2}', "NaN", "[Infinity]", "{", "", "[" * 100_000, b"\xff"]
)
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        loads(text)
