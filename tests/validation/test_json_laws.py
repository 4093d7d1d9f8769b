"""Laws of reading JSON, whatever the content: nothing is lost, and every line is right."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.validation import json_text
from adapter.validation.positions import lines_of
from adapter.validation.reading import parse_json

NAMES = st.text("abcxyz_", min_size=1, max_size=5)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(NAMES, inside, max_size=4),
    max_leaves=20,
)
RESOURCES = st.dictionaries(NAMES, VALUES, max_size=5)
LAYOUTS = st.sampled_from(
    [
        {"indent": 1},
        {"indent": None, "separators": (",", ":")},
        {"indent": "\t", "separators": (" ,", "\n :")},
        {"ensure_ascii": False},
    ]
)


def same(one: Any, other: Any) -> bool:
    """Equal as JSON; numbers by value, as some are Decimal."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool | str | None) or isinstance(other, bool | str | None):
        return one is other or (type(one) is type(other) and bool(one == other))
    return float(one) == float(other)


@given(RESOURCES, LAYOUTS)
def test_json_is_read_as_it_was_written(resource: dict[str, Any], layout: dict[str, Any]) -> None:
    text = json.dumps(resource, **layout)
    found, issues = parse_json(text)
    assert issues == []
    assert same(found, resource)


@given(RESOURCES, LAYOUTS)
def test_the_tolerant_reader_agrees(resource: dict[str, Any], layout: dict[str, Any]) -> None:
    found, issues = json_text.parse(json.dumps(resource, **layout))
    assert [issue for issue in issues if issue.severity != "warning"] == []
    assert same(found, resource)


@given(RESOURCES, NAMES, VALUES, VALUES, LAYOUTS)
def test_a_key_that_stands_twice_is_always_found(
    resource: dict[str, Any], name: str, first: Any, second: Any, layout: dict[str, Any]
) -> None:
    resource.pop(name, None)
    text = json.dumps({name: first, **resource, f"{name}~": second}, **layout)
    found, issues = parse_json(text.replace(f'{name}~"', f'{name}"'))
    assert [issue.messageId for issue in issues if issue.severity == "error"] == [
        "DUPLICATE_JSON_PROPERTY_KEY"
    ]
    assert found is not None
    assert same(found[name], first)


@given(RESOURCES)
def test_lines_are_those_of_an_editor(resource: dict[str, Any]) -> None:
    places: dict[str, int] = {}
    text = laid_out(resource, "X", [1], places)
    assert lines_of(text, places) == places


def laid_out(value: Any, path: str, line: list[int], places: dict[str, int]) -> str:
    """JSON with every value on a line of its own, and which line that is."""
    places[path] = line[0]
    if not isinstance(value, dict | list):
        return json.dumps(value)
    parts = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        line[0] += 1
        step = f"[{key}]" if isinstance(value, list) else f".{key}"
        name = "" if isinstance(value, list) else f"{json.dumps(key)}: "
        parts.append(f"\n{name}{laid_out(item, path + step, line, places)}")
    return ("[{}]" if isinstance(value, list) else "{{{}}}").format(",".join(parts))


@given(st.text() | st.binary())
def test_nothing_ends_in_a_traceback(text: str | bytes) -> None:
    resource, issues = parse_json(text)
    assert resource is not None or issues
    for issue in issues:
        assert issue.line is not None


@pytest.mark.parametrize("unit", ["\\n", "x", '\\"'])
def test_long_strings_take_no_more_memory_than_their_text(unit: str) -> None:
    text = '{"a": "' + unit * 500_000 + '",\n"b": 1,}'
    resource, _ = parse_json(text)
    assert resource is not None
    assert len(resource["a"]) == 500_000
    assert lines_of(text, ["X.b"]) == {"X.b": 2}
