"""One cell of text to one value of an entity, or the rule it breaks.

Every parser returns the value or raises ``BadCell(rule, why)``; why never quotes the cell.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from adapter.recipes.formats import LENGTHS, precision

Parser: TypeAlias = Callable[[str], Any]

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(:\d{2})?")
_NUMBERS = {
    ".": re.compile(r"[-+]?\d+(\.\d+)?", re.ASCII),
    ",": re.compile(r"[-+]?\d+(,\d+)?", re.ASCII),
}
_OTHER_SIGN = {
    ".": re.compile(r"[-+]?[\d.]*,[\d.,]*", re.ASCII),
    ",": re.compile(r"[-+]?[\d,]*\.[\d.,]*", re.ASCII),
}
NO_NUMBER = "is not a number"
_COMPARATORS = ("<=", ">=", "<", ">")


class BadCell(Exception):  # noqa: N818  a finding about data, not an error of the run
    """A cell that breaks a rule; ``why`` is safe to show."""

    def __init__(self, rule: str, why: str):
        super().__init__(why)
        self.rule = rule
        self.why = why


@dataclass(frozen=True, slots=True)
class Compared:
    """A number with the comparator it was written with."""

    value: Decimal
    comparator: str | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """A missing-value code: the value is absent for this reason."""

    reason: str


def number(
    decimal: str = ".", limits: tuple[Decimal | None, Decimal | None] = (None, None)
) -> Parser:
    """Parser of ``12``, ``-0.5``, ``1,5`` (decimal comma) and ``<0.5``, within limits.

    Thousands are not grouped: whether ``1.500`` is 1500 or 1.5 nobody can tell from a cell.
    """
    low, high = limits
    plain, other, comma = _NUMBERS[decimal], _OTHER_SIGN[decimal], decimal == ","

    def parse(text: str) -> Compared:
        comparator, digits = None, text
        if not plain.fullmatch(text):  # most cells are plain numbers
            comparator, digits = _compared(text.strip())
            if not plain.fullmatch(digits):
                why = f"has another sign than the decimal {decimal!r}; thousands are not grouped"
                raise BadCell("not-a-number", why if other.fullmatch(digits) else NO_NUMBER)
        value = Decimal(digits.replace(",", ".") if comma else digits)
        if (low is not None and value < low) or (high is not None and value > high):
            raise BadCell("out-of-range", f"is outside {_span(low, high)}")
        return Compared(value, comparator)

    return parse


def _compared(text: str) -> tuple[str | None, str]:
    comparator = next((each for each in _COMPARATORS if text.startswith(each)), None)
    return comparator, text.removeprefix(comparator or "").lstrip()


def _span(low: object, high: object) -> str:
    return f"{'' if low is None else low} .. {'' if high is None else high}".strip()


def date(zone: ZoneInfo, form: str | None = None, keep: str | None = None) -> Parser:
    """Parser of a date or date-time to FHIR text, as precise as it is written.

    A time without an offset of its own is local: it gets the one of the study's time zone.
    """
    read = _formatted(form, zone) if form else partial(_iso, zone)
    length = LENGTHS[keep] if keep else None

    def parse(text: str) -> str:
        return read(text.strip())[:length]

    return parse


def _formatted(form: str, zone: ZoneInfo) -> Callable[[str], str]:
    length = LENGTHS[precision(form) or "time"]

    def read(text: str) -> str:
        try:
            moment = dt.datetime.strptime(text, form)  # noqa: DTZ007  the study's zone follows
        except ValueError:
            raise BadCell("impossible-date", f"is no date of the form {form}") from None
        if length:
            return moment.date().isoformat()[:length]
        return moment.isoformat() if moment.tzinfo else _local(moment, zone)

    return read


def _iso(zone: ZoneInfo, text: str) -> str:
    try:
        if _DATE.fullmatch(text):
            dt.date.fromisoformat(text + "-01-01"[len(text) - 4 :])
            return text
        match = _TIME.fullmatch(text)
        if match:
            return _local(dt.datetime.fromisoformat(text), zone)
    except ValueError:
        raise BadCell("impossible-date", "is a date that does not exist") from None
    raise BadCell("impossible-date", "is no ISO date (YYYY-MM-DD or YYYY-MM-DD HH:MM)")


def _local(moment: dt.datetime, zone: ZoneInfo) -> str:
    """A local time with its offset; of an hour that comes twice the first is meant.

    https://peps.python.org/pep-0495/: only in a gap the second moment lies before the first.
    """
    offset = _offset(zone, moment.date())
    if offset:  # on most days
        return moment.isoformat() + offset
    first, second = moment.replace(tzinfo=zone), moment.replace(tzinfo=zone, fold=1)
    if first.timestamp() > second.timestamp():
        raise BadCell("impossible-date", "is a time that clocks skipped")
    return first.isoformat()


@lru_cache(maxsize=10_000)
def _offset(zone: ZoneInfo, day: dt.date) -> str | None:
    """The offset of a day on which clocks are not changed."""
    start = dt.datetime.combine(day, dt.time.min, zone)
    end = dt.datetime.combine(day, dt.time.max.replace(fold=1), zone)
    return start.isoformat()[19:] if start.utcoffset() == end.utcoffset() else None


def not_after(parser: Parser, today: str) -> Parser:
    """The date parser, refusing what is still to come; ``today`` is ``YYYY-MM-DD``."""

    def parse(text: str) -> Any:
        value = parser(text)
        if value > today[: len(value)]:
            raise BadCell("out-of-range", "lies in the future")
        return value

    return parse


def dated_between(parser: Parser, low: str, high: str) -> Parser:
    """The date parser with a dictionary's earliest and latest day."""

    def parse(text: str) -> Any:
        value = parser(text)
        day = str(value)[:10]
        if (low and day < low[: len(day)]) or (high and day > high[: len(day)]):
            raise BadCell("out-of-range", f"is outside {_span(low, high)}")
        return value

    return parse


def coded(codes: Mapping[str, Any], default: str | None = None) -> Parser:
    """Parser of a source's own code to a term."""

    def parse(text: str) -> Any:
        try:
            return codes[text.strip()]
        except KeyError:
            if default is not None:
                return Defaulted(default)
            raise BadCell("unknown-code", "is a code that nothing explains") from None

    return parse


@dataclass(frozen=True, slots=True)
class Defaulted:
    """A term taken because the source's code is unknown and the recipe gives a default."""

    term: Any  # or several, where the cell holds several


def chosen(parser: Parser, choices: tuple[tuple[str, str], ...]) -> Parser:
    """The parser, refusing what is none of a dictionary's choices."""
    known = {code for code, _ in choices}

    def parse(text: str) -> Any:
        if text.strip() not in known:
            raise BadCell("unknown-code", "is none of the dictionary's choices")
        return parser(text)

    return parse


def flag() -> Parser:
    """Parser of 1/0, yes/no and true/false."""
    return coded(
        {"1": True, "0": False, "yes": True, "no": False, "true": True, "false": False}
        | {"Yes": True, "No": False, "True": True, "False": False, "Y": True, "N": False}
    )


def several(parser: Parser, separator: str | None) -> Parser:
    """Parser of a cell that holds several terms, or one where no separator is given."""

    def parse(text: str) -> Any:
        parts = text.split(separator) if separator else [text]
        values = [parser(part) for part in parts if part.strip()]
        terms = tuple(v.term if isinstance(v, Defaulted) else v for v in values)
        return Defaulted(terms) if any(isinstance(v, Defaulted) for v in values) else terms

    return parse


def missing(parser: Parser, reasons: Mapping[str, str]) -> Parser:
    """The parser, with a source's missing-value codes read as reasons."""

    def parse(text: str) -> Any:
        reason = reasons.get(text.strip())
        return Absent(reason) if reason else parser(text)

    return parse


def text() -> Parser:
    """Parser of plain text, white space around it removed."""
    return str.strip
