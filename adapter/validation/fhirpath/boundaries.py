"""The least and greatest values that a number or date of limited precision may stand for.

https://build.fhir.org/ig/HL7/FHIRPath/#lowboundaryprecision-integer-decimal--date--datetime--time
"""

from __future__ import annotations

from calendar import monthrange
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    Context,
    Decimal,
    localcontext,
)
from functools import lru_cache

from adapter.validation.fhirpath.errors import EvaluationError
from adapter.validation.fhirpath.temporal import Temporal, read

_FINEST = 17
_WIDE = Context(prec=500)
_DATE_LENGTHS = {4: 4, 6: 7, 7: 7, 8: 10, 10: 10, 12: 16, 14: 19, 17: 23}
_TIME_LENGTHS = {2: 2, 4: 5, 6: 8, 9: 12}
_EARLIEST_ZONE, _LATEST_ZONE = "+14:00", "-12:00"


def of_decimal(number: Decimal, digits: int, high: bool) -> Decimal | None:
    """A bound with so many digits after the point; None when there cannot be so many."""
    if not 0 <= digits < _FINEST:
        return None
    with localcontext(_WIDE):
        return _bound(number, digits, high)


def _bound(number: Decimal, digits: int, high: bool) -> Decimal:
    exponent = int(number.as_tuple().exponent)
    half = Decimal(5).scaleb(min(exponent, 0) - 1)
    bound = number + half if high else number - half
    if digits >= places(bound):
        return bound.quantize(Decimal(1).scaleb(-digits))
    if abs(bound) < Decimal(1).scaleb(-digits):
        zero = Decimal(0).scaleb(-digits)
        return zero.copy_negate() if number < 0 and not high else zero
    rounded = bound.quantize(Decimal(1).scaleb(-digits), ROUND_CEILING if high else ROUND_FLOOR)
    return rounded if rounded else bound.quantize(Decimal(1).scaleb(-digits), ROUND_DOWN)


def places(number: Decimal) -> int:
    """How many digits are written after the point."""
    return max(0, -int(number.as_tuple().exponent))


@lru_cache(maxsize=4096)
def of_temporal(value: Temporal, digits: int | None, high: bool) -> Temporal:
    """A bound of a date, dateTime or time.

    Raises EvaluationError for a precision that no date or time has.
    """
    if value.kind == "time":
        return _of_time(value, 9 if digits is None else digits, high)
    default = 10 if value.kind == "date" else 17
    digits = default if digits is None else digits
    if digits not in _DATE_LENGTHS:
        raise EvaluationError(f"no date has a precision of {digits}")
    text, zone = _split(value.text)
    text = _full_date(text, high)
    limit = _LATEST_ZONE if high else _EARLIEST_ZONE
    zone = "" if digits <= 10 else zone or limit
    text = text[: _DATE_LENGTHS[digits]] + zone
    return _read(text, "dateTime" if "T" in text else "date")


def _full_date(text: str, high: bool) -> str:
    if len(text) == 4:
        text += "-12" if high else "-01"
    if len(text) == 7:
        last = monthrange(int(text[:4]), int(text[5:7]))[1]
        text += f"-{last:02}" if high else "-01"
    if len(text) == 10:
        text += "T23" if high else "T00"
        text += ":59" if high else ":00"
    if len(text) == 13:
        text += ":00"
    return _full_time(text, 16, high)


def _full_time(text: str, minutes: int, high: bool) -> str:
    if len(text) == minutes:
        text += ":59" if high else ":00"
    if len(text) == minutes + 3:
        text += ".999" if high else ".000"
    return text


def _of_time(value: Temporal, digits: int, high: bool) -> Temporal:
    if digits not in _TIME_LENGTHS:
        raise EvaluationError(f"no time has a precision of {digits}")
    text = value.text
    if len(text) == 2:
        text += ":59" if high else ":00"
    text = _full_time(text, 5, high)
    return _read(text[: _TIME_LENGTHS[digits]], "time")


def _split(text: str) -> tuple[str, str]:
    if text.endswith("Z"):
        return text[:-1], "Z"
    if "T" in text and len(text) > 16 and text[-6] in "+-":
        return text[:-6], text[-6:]
    return text.removesuffix("T"), ""


def _read(text: str, kind: str) -> Temporal:
    found = read(text, kind)
    if found is None:
        raise EvaluationError(f"{text} is no {kind}")
    return found


def precision(value: Decimal | Temporal) -> int:
    """How many digits a date or time has, or a decimal after its point."""
    if isinstance(value, Decimal):
        return places(value)
    text, _ = _split(value.text)
    return sum(sign.isdigit() for sign in text)
