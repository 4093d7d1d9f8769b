"""The formats of FHIR's primitive types (https://hl7.org/fhir/R4/datatypes.html#primitive).

Each type has a quick test that nearly every value passes; what fails it is looked at closely, and
gets an issue in the words of HL7's validator's message ids.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from adapter.validation.issues import Issue
from adapter.validation.uris import check_uri

NUMBERS = frozenset({"integer", "unsignedInt", "positiveInt", "decimal"})
URIS = frozenset({"uri", "url", "canonical", "oid", "uuid"})
_ZONE = r"(Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_DATE = r"([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01])"
DATE = re.compile(_DATE + r")?)?", re.ASCII)
DATE_TIME = re.compile(_DATE + rf"(?:T{_TIME}{_ZONE}?)?)?)?", re.ASCII)
INSTANT = re.compile(rf"([0-9]{{4}})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T{_TIME}{_ZONE}")
TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)", re.ASCII)
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
CODE = re.compile(r"[^\s]+( [^\s]+)*")
BASE64 = re.compile(r"(?:[0-9A-Za-z+/]{4})*(?:[0-9A-Za-z+/]{2}==|[0-9A-Za-z+/]{3}=)?")
DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
INTEGER_RANGES = {
    "integer": (-(2**31), 2**31 - 1),
    "unsignedInt": (0, 2**31 - 1),
    "positiveInt": (1, 2**31 - 1),
}

Test = Callable[[Any], object]
Problem = tuple[str, str, str]  # severity, messageId, message


def quick(name: str) -> Test:
    """A test that is true only for values of the type that need no closer look.

    It may raise TypeError for a value of another JSON type.
    """
    return _QUICK.get(name, _plain_fullmatch)


def problems(name: str, value: Any, release: str, core: bool = True) -> list[Problem]:
    """What is wrong with a value of a primitive type, the JSON type included."""
    wrong = json_type_problem(name, value)
    if wrong is not None:
        return [wrong]
    if isinstance(value, str):
        if not value:
            return [_error("Primitive_NotEmpty", "a value may not be empty")]
        if not value.strip():
            return [_warning("Primitive_WS", "a value should not be whitespace only")]
        found = _text_problems(value)
    else:
        found = []
    if check := _CHECKS.get(name):
        found += check(value, release, core)
    return found


def json_type_problem(name: str, value: Any) -> Problem | None:
    """The wrong kind of JSON value for a type, if it is wrong."""
    if name == "boolean":
        if not isinstance(value, bool):
            text = "the primitive value must be a boolean"
            return ("error", "Error_parsing_JSON_the_primitive_value_must_be_a_boolean", text)
    elif name in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            text = "the primitive value must be a number"
            return ("error", "Error_parsing_JSON_the_primitive_value_must_be_a_number", text)
    elif not isinstance(value, str):
        text = "the primitive value must be a string"
        return ("error", "Error_parsing_JSON_the_primitive_value_must_be_a_string", text)
    return None


def year_is_reasonable(value: str) -> bool:
    """Whether a date's year is one a study may hold: data entry errors are not."""
    year = int(value[:4])
    return 1800 <= year <= datetime.now(UTC).year + 80


def _error(name: str, message: str) -> Problem:
    return ("error", f"Type_Specific_Checks_DT_{name}", message)


def _warning(name: str, message: str) -> Problem:
    return ("warning", f"Type_Specific_Checks_DT_{name}", message)


def _text_problems(value: str) -> list[Problem]:
    found: list[Problem] = []
    if BIDI.search(value):
        text = "the value holds Unicode bi-directional control characters"
        found.append(("warning", "UNICODE_BIDI_CONTROLS_CHARS_MATCH", text))
    if CONTROL.search(value):
        text = "the value holds control characters that XML cannot hold"
        found.append(("warning", "UNICODE_XML_BAD_CHARS", text))
    return found


def _string(value: str, _release: str, _core: bool) -> list[Problem]:
    if len(value) > 1048576:
        return [_error("String_Length", "a string may hold no more than 1 MB")]
    if value != value.strip():
        text = "a string should not start or finish with whitespace"
        return [_warning("String_WS", text)]
    return []


def _date(value: str, _release: str, _core: bool) -> list[Problem]:
    return _calendar(DATE, value, "Date_Valid", "date")


def _date_time(value: str, _release: str, core: bool) -> list[Problem]:
    found = _calendar(DATE_TIME, value, "DateTime_Valid", "dateTime")
    match = DATE_TIME.fullmatch(value)
    if not found and core and match and "T" in value and match.group(4) is None:
        text = "if a dateTime has a time, it must have a time zone"
        found.append(_error("DateTime_TZ", text))
    return found


def _instant(value: str, _release: str, _core: bool) -> list[Problem]:
    return _calendar(INSTANT, value, "DateTime_Regex", "instant")


def _calendar(pattern: re.Pattern[str], value: str, name: str, kind: str) -> list[Problem]:
    match = pattern.fullmatch(value)
    if match is None or not _in_calendar(match):
        return [_error(name, f"'{value}' is not a valid {kind}")]
    if not year_is_reasonable(value):
        text = f"'{value}' is outside the range of reasonable years: check for a data entry error"
        return [_warning("DateTime_Reasonable", text)]
    return []


def _in_calendar(match: re.Match[str]) -> bool:
    year, month, day = int(match[1]), match[2], match[3]
    if year == 0:
        return False
    return day is None or int(day) <= monthrange(year, int(month))[1]


def _time(value: str, _release: str, _core: bool) -> list[Problem]:
    if TIME.fullmatch(value) or re.fullmatch(_TIME, value):
        return []
    return [_error("Time_Valid", f"'{value}' is not a valid time")]


def _integer(kind: str) -> Callable[[Any, str, bool], list[Problem]]:
    low, high = INTEGER_RANGES[kind]

    def check(value: Any, _release: str, _core: bool) -> list[Problem]:
        if not isinstance(value, int) or not -(2**31) <= value <= high:
            return [_error("Integer_Valid", f"{value} is not a valid {kind}")]
        if value < low:
            name = "Integer_LT0" if low == 0 else "Integer_LT1"
            return [_error(name, f"{value} is less than {low}")]
        return []

    return check


def _integer64(value: str, _release: str, _core: bool) -> list[Problem]:
    if INTEGER.fullmatch(value) and -(2**63) <= int(value[:21]) < 2**63 and len(value) <= 20:
        return []
    return [_error("Integer64_Valid", f"'{value}' is not a valid integer64")]


def _code(value: str, _release: str, _core: bool) -> list[Problem]:
    if CODE.fullmatch(value):
        return []
    return [_error("Code_WS", f"the code '{value}' is not valid (whitespace rules)")]


def _id(value: str, _release: str, _core: bool) -> list[Problem]:
    if ID.fullmatch(value):
        return []
    return [_error("ID_Valid", f"the id '{value}' is not valid")]


def _base64(value: str, release: str, _core: bool) -> list[Problem]:
    compact = "".join(value.split())
    if not BASE64.fullmatch(compact):
        shown = value if len(value) < 100 else "(snip)"
        return [_error("Base64_Valid", f"'{shown}' is not a valid Base64 value")]
    if compact != value:
        if release == "R5":
            return [_error("BASE64_NO_WS_ERROR", "Base64 may not hold whitespace")]
        return [_warning("BASE64_NO_WS_WARNING", "Base64 should not hold whitespace")]
    return []


def _uri(kind: str) -> Callable[[str, str, bool], list[Problem]]:
    def check(value: str, _release: str, _core: bool) -> list[Problem]:
        found: list[Issue] = check_uri(kind, value, "")
        return [(i.severity, i.messageId or "", i.message) for i in found]

    return check


_CHECKS: dict[str, Callable[[Any, str, bool], list[Problem]]] = {
    "string": _string,
    "date": _date,
    "dateTime": _date_time,
    "instant": _instant,
    "time": _time,
    "integer64": _integer64,
    "code": _code,
    "id": _id,
    "base64Binary": _base64,
    **{kind: _integer(kind) for kind in INTEGER_RANGES},
    **{kind: _uri(kind) for kind in URIS},
}

_ODD = r"\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069"
_EDGE = rf"[^\s{_ODD}]"
_plain_fullmatch = re.compile(rf"{_EDGE}(?:[^{_ODD}]{{0,100000}}{_EDGE})?").fullmatch
_uri_fullmatch = re.compile(
    r"https?://[A-Za-z0-9.\-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~\-/%]*)?"
).fullmatch
# a year from 1800 to 2099, a day that every month has
_DAY = r"(?:1[89]|20)[0-9][0-9](?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|1[0-9]|2[0-8])"
_NUMBER_TYPES = frozenset({int, float, Decimal})


def _never(_value: Any) -> object:
    return False


def _whole(low: int, high: int) -> Test:
    return lambda value: type(value) is int and low <= value <= high


_QUICK: dict[str, Test] = {
    "boolean": lambda value: value is True or value is False,
    "code": re.compile(r"[A-Za-z0-9.\-_/:%+]+").fullmatch,
    "id": ID.fullmatch,
    "date": re.compile(_DAY + r")?)?").fullmatch,
    "dateTime": re.compile(_DAY + rf"(?:T{_TIME}{_ZONE})?)?)?").fullmatch,
    "instant": re.compile(
        rf"(?:1[89]|20)[0-9][0-9]-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])T{_TIME}{_ZONE}"
    ).fullmatch,
    "time": TIME.fullmatch,
    "decimal": lambda value: type(value) in _NUMBER_TYPES,
    "uri": _uri_fullmatch,
    "url": _uri_fullmatch,
    "canonical": _uri_fullmatch,
    "base64Binary": lambda value: 0 < len(value) < 1000 and BASE64.fullmatch(value),
    "oid": _never,
    "uuid": _never,
    "integer64": _never,
    **{kind: _whole(low, high) for kind, (low, high) in INTEGER_RANGES.items()},
}
