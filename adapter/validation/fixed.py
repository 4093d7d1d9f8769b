"""``fixed[x]``, ``pattern[x]``, ``minValue[x]``, ``maxValue[x]`` and the lengths of values.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.fixed_x_
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from adapter.validation.context import Check, Context, Found
from adapter.validation.elements import EXTENSION, Element
from adapter.validation.issues import Issue

LATER = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition."
Test = Callable[[Any], bool]


def equals(expected: Any) -> Test:
    """True for the very same JSON value; an ``id`` that only the instance has does not matter."""
    if type(expected) is str:
        return lambda value: bool(value == expected)

    def same(value: Any) -> bool:
        return _equal(expected, value)

    return same


def matches(pattern: Any) -> Test:
    """True when the value holds at least what the pattern holds."""

    def contains(value: Any) -> bool:
        return _contains(pattern, value)

    return contains


def _equal(expected: Any, value: Any) -> bool:
    if isinstance(expected, dict):
        if not isinstance(value, dict):
            return False
        keys = {k for k in value if k != "id"} | {k for k in expected if k != "id"}
        return all(k in value and k in expected and _equal(expected[k], value[k]) for k in keys)
    if isinstance(expected, list):
        return (
            isinstance(value, list)
            and len(expected) == len(value)
            and all(map(_equal, expected, value))
        )
    if isinstance(expected, bool) or isinstance(value, bool):
        return expected is value
    return bool(expected == value)


def _contains(pattern: Any, value: Any) -> bool:
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            key in value and _contains(wanted, value[key]) for key, wanted in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(
            any(_contains(wanted, one) for one in value) for wanted in pattern
        )
    return _equal(pattern, value)


def value_checks(element: Element, profile: str) -> list[Check]:
    """Checks of all that the element says about the value itself."""
    made: list[Check] = []
    if fixed := element.value("fixed"):
        made.append(_content(equals(fixed[1]), "_DT_Fixed_Wrong", "fixed value", fixed[1], profile))
    if pattern := element.value("pattern"):
        text = "pattern"
        made.append(_content(matches(pattern[1]), "_DT_Fixed_Wrong", text, pattern[1], profile))
    length = element.definition.get("maxLength")
    if length:
        made.append(_length(int(length)))
    for prefix, sign in (("minValue", -1), ("maxValue", 1)):
        if bound := element.value(prefix):
            made.append(_bound(bound[1], sign))
    made += [check for e in element.definition.get("extension", ()) if (check := _extension(e))]
    return made


def _content(test: Test, name: str, what: str, wanted: Any, profile: str) -> Check:
    def check(value: Any, _sibling: Any, _context: Context) -> Found:
        if value is None or test(value):
            return None
        text = f"the value does not have the {what} {_short(wanted)}"
        return [Issue("error", "value", "", text, name, profile=profile)]

    return check


def _length(limit: int) -> Check:
    name = "Type_Specific_Checks_DT_Primitive_Length"

    def check(value: Any, _sibling: Any, _context: Context) -> Found:
        if isinstance(value, str) and len(value) > limit:
            text = f"the value is longer than the {limit} characters permitted"
            return [Issue("error", "invalid", "", text, name)]
        return None

    return check


def value_needed(element: Element) -> Callable[[Any], list[Issue]]:
    """What is wrong when a primitive has no value: one may be demanded, or an extension for it."""
    alternatives = list(element.definition.get("valueAlternatives", ()))
    needed = bool(element.definition.get("mustHaveValue"))
    for extension in element.definition.get("extension", ()):
        if extension["url"] == LATER + "valueAlternatives":
            alternatives.append(extension.get("valueCanonical"))
        elif extension["url"] == LATER + "mustHaveValue":
            needed = needed or bool(extension.get("valueBoolean"))

    def issues(sibling: Any) -> list[Issue]:
        found = []
        if needed:
            name = "PRIMITIVE_MUSTHAVEVALUE_MESSAGE"
            found.append(Issue("error", "invalid", "", "the element must have a value", name))
        held = sibling.get("extension", ()) if isinstance(sibling, dict) else ()
        if alternatives and not any(
            isinstance(e, dict) and e.get("url") in alternatives for e in held
        ):
            text = f"without a value, one of the extensions {', '.join(alternatives)} must be there"
            found.append(
                Issue("error", "invalid", "", text, "PRIMITIVE_VALUE_ALTERNATIVES_MESSAGE")
            )
        return found

    return issues


def _bound(bound: Any, sign: int) -> Check:
    limit = _comparable(bound)
    if isinstance(bound, dict):
        return _quantity_bound(bound, sign)
    name = f"Type_Specific_Checks_DT_{'Decimal_GT' if sign > 0 else 'Decimal_LT'}"

    def check(value: Any, _sibling: Any, _context: Context) -> Found:
        given = _comparable(value)
        if given is None or type(given) is not type(limit):
            return None
        if (given > limit) if sign > 0 else (given < limit):
            side = "greater than the maximum" if sign > 0 else "less than the minimum"
            return [Issue("error", "invalid", "", f"the value is {side} of {bound}", name)]
        return None

    return check


def _quantity_bound(bound: dict[str, Any], sign: int) -> Check:
    """A bound of a Quantity; of a date it is a distance from today."""
    limit = _comparable(bound.get("value"))
    unit = (bound.get("system"), bound.get("code"))
    name = "MAX_VALUE_IS_MAX" if sign > 0 else "MIN_VALUE_IS_MIN"

    def check(value: Any, _sibling: Any, _context: Context) -> Found:
        if isinstance(value, str):
            past = _date_bound(bound, sign)
            return None if past is None or not past(value) else [_past(name, bound)]
        given = _comparable(value.get("value")) if isinstance(value, dict) else None
        if given is None or limit is None or (value.get("system"), value.get("code")) != unit:
            return None
        return [_past(name, bound)] if (given > limit if sign > 0 else given < limit) else None

    return check


def _past(name: str, bound: dict[str, Any]) -> Issue:
    text = f"the value is past the bound of {bound.get('value')} {bound.get('code', '')}".rstrip()
    return Issue("error", "invalid", "", text, name)


def _date_bound(bound: dict[str, Any], sign: int) -> Callable[[str], bool] | None:
    days = {"a": 365.25, "mo": 30.4375, "wk": 7, "d": 1}.get(str(bound.get("code")))
    if days is None or not isinstance(bound.get("value"), int | float):
        return None
    limit = datetime.now(UTC) + sign * timedelta(days=days * float(bound["value"]))
    wanted = limit.date().isoformat()

    def past(value: str) -> bool:
        held = value[:10]
        edge = wanted[: len(held)]
        return held > edge if sign > 0 else held < edge

    return past


def _comparable(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float | Decimal):
        try:
            return Decimal(str(value))
        except InvalidOperation:
            return None
    return value if isinstance(value, str) else None


def _extension(extension: dict[str, Any]) -> Check | None:
    url = extension["url"]
    value = next((v for k, v in extension.items() if k.startswith("value")), None)
    if url == EXTENSION + "minLength" or url.endswith("/minLength"):
        return _least(int(value or 0))
    if url == EXTENSION + "regex" and isinstance(value, str):
        return _regex(value)
    return None


def _least(limit: int) -> Check:
    def check(value: Any, _sibling: Any, _context: Context) -> Found:
        if isinstance(value, str) and len(value) < limit:
            text = f"the value is shorter than the {limit} characters required"
            return [Issue("error", "invalid", "", text, "PRIMITIVE_TOO_SHORT")]
        return None

    return check


def _regex(pattern: str) -> Check | None:
    try:
        matches = re.compile(pattern).fullmatch
    except re.error:
        return None
    name = "Type_Specific_Checks_DT_Primitive_Regex"

    def check(value: Any, _sibling: Any, _context: Context) -> Found:
        text = str(value)
        if value is None or isinstance(value, dict) or len(text) > 10000 or matches(text):
            return None
        return [Issue("error", "invalid", "", f"the value does not meet regex {pattern}", name)]

    return check


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
