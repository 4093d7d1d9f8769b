"""Dates, times and instants that are as precise as their text.

https://hl7.org/fhirpath/N1/#datetime; where FHIRPath leaves a choice, the answers are those of
HL7's engine: minutes are the least precise time of a day, seconds and milliseconds one precision.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from adapter.validation.fhirpath.errors import EvaluationError, NotEvaluated
from adapter.validation.fhirpath.quantities import Quantity

YEAR, MONTH, DAY, MINUTE, SECOND, MILLISECOND = range(6)
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")
_TIME = re.compile(r"(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?(Z|[+-]\d\d:\d\d)?")
_STEPS = {
    "wk": timedelta(weeks=1), "d": timedelta(days=1), "h": timedelta(hours=1),
    "min": timedelta(minutes=1), "s": timedelta(seconds=1), "ms": timedelta(milliseconds=1),
}  # fmt: skip
_MONTHS = {"year": 12, "years": 12, "month": 1, "months": 1}
_FARTHEST = timedelta(hours=14)  # the widest offset from UTC


@dataclass(frozen=True, slots=True)
class Temporal:
    """A ``date``, ``dateTime`` or ``time``; a time of day stands on the first day of year 1."""

    kind: str
    text: str
    at: datetime  # local, without zone
    precision: int
    offset: timedelta | None = None
    fraction: str = ""

    def __str__(self) -> str:
        return self.text

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def utc(self) -> datetime:
        """The moment in UTC; local time counts as UTC where no offset is given."""
        if not self.offset or self.precision <= DAY:
            return self.at
        try:
            return self.at - self.offset
        except OverflowError:
            return self.at


def literal(text: str) -> Temporal:
    """The value of a literal such as ``@2015-02-04T14:34``; raises NotEvaluated for none."""
    body = text[1:]
    if body.startswith("T"):
        found = read(body[1:], "time")
    else:
        found = read(body, "dateTime" if "T" in body else "date")
    if found is None:
        raise NotEvaluated(f"{text} is no date or time")
    return found


@lru_cache(maxsize=4096)
def read(text: str, kind: str) -> Temporal | None:
    """A date, dateTime or time from its text; None when it is none, or not of the calendar."""
    day, _, time = ("", "", text) if kind == "time" else text.partition("T")
    date_match = _DATE.fullmatch(day) if day else None
    time_match = _TIME.fullmatch(time) if time else None
    if (kind != "time" and date_match is None) or (time and time_match is None):
        return None
    if (kind == "time" and time_match is None) or (kind == "date" and "T" in text):
        return None
    year, month, date = date_match.groups() if date_match else ("1", None, None)
    hour, minute, second, fraction, zone = (
        time_match.groups() if time_match else (None, None, None, None, None)
    )
    if kind == "time" and zone:
        return None
    precision = _precision(month, date, hour, second, fraction)
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    # a leap second is the last moment of its minute
    last = second == "60"
    try:
        at = datetime(  # noqa: DTZ001 - the offset is kept beside it
            int(year), int(month or 1), int(date or 1), int(hour or 0), int(minute or 0),
            59 if last else int(second or 0), micro,
        )  # fmt: skip
    except ValueError:
        return None
    return Temporal(kind, text, at, precision, _offset(zone), fraction or "")


def _precision(
    month: str | None, date: str | None, hour: str | None, second: str | None, fraction: str | None
) -> int:
    if fraction:
        return MILLISECOND
    if second:
        return SECOND
    if hour:
        return MINUTE
    return DAY if date else MONTH if month else YEAR


def _offset(zone: str | None) -> timedelta | None:
    if zone is None:
        return None
    if zone == "Z":
        return timedelta(0)
    size = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    return -size if zone[0] == "-" else size


def compare(left: Temporal, right: Temporal) -> int | None:
    """-1, 0 or 1, or None when the precisions leave it open."""
    first, second = left.utc, right.utc
    steps = (
        (first.year, second.year, YEAR),
        (first.month, second.month, MONTH),
        (first.day, second.day, DAY),
        (first.hour * 60 + first.minute, second.hour * 60 + second.minute, MINUTE),
    )
    if left.kind != "time" or right.kind != "time":
        for one, other, precision in steps[:3]:
            if one != other:
                return -1 if one < other else 1
            if left.precision == precision or right.precision == precision:
                return 0 if left.precision == right.precision else None
    one, other, precision = steps[3]
    if one != other:
        return -1 if one < other else 1
    if left.precision == MINUTE or right.precision == MINUTE:
        return 0 if left.precision == right.precision else None
    exact = (first.second, first.microsecond)
    against = (second.second, second.microsecond)
    return (exact > against) - (exact < against)


def equal(left: Temporal, right: Temporal) -> bool | None:
    """Whether both are the same moment; None when precision or zone leaves it open."""
    if left.kind == "time" or right.kind == "time":
        if left.kind != right.kind:
            return False
    elif (left.offset is None) != (right.offset is None):
        return None if _may_meet(left, right) else False
    order = compare(left, right)
    return None if order is None else order == 0


def _may_meet(left: Temporal, right: Temporal) -> bool:
    first, second = _span(left), _span(right)
    return first[0] <= second[1] and second[0] <= first[1]


def _span(value: Temporal) -> tuple[float, float]:
    slack = _FARTHEST.total_seconds() if value.offset is None else 0.0
    low = (value.utc - datetime(1, 1, 1)).total_seconds()  # noqa: DTZ001
    length = {YEAR: 366 * 86400, MONTH: 31 * 86400, DAY: 86400, MINUTE: 60, SECOND: 1}
    return low - slack, low + length.get(value.precision, 0) + slack


def add(value: Temporal, quantity: Quantity, sign: int) -> Temporal:
    """A date or time later or, with the sign -1, earlier by a whole number of units.

    Raises EvaluationError for a unit that is no duration, or one of unknown length as ``'mo'``.
    """
    number = sign * quantity.value
    whole = int(number)
    if quantity.unit in _MONTHS and value.kind != "time":
        return _written(value, _months_later(value.at, whole * _MONTHS[quantity.unit]))
    step = _STEPS.get(quantity.code)
    if step is None or (value.kind == "time" and step >= timedelta(days=1)):
        raise EvaluationError(f"{quantity} cannot be added to a {value.kind}")
    change = step * whole
    if quantity.code == "s":
        change += timedelta(milliseconds=int((number - whole) * 1000))
    if value.kind == "time":
        change %= timedelta(days=1)
    try:
        later = value.at + change
    except OverflowError:
        raise EvaluationError("beyond the calendar") from None
    return _written(value, later.replace(year=1, month=1, day=1) if value.kind == "time" else later)


def _months_later(at: datetime, months: int) -> datetime:
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise EvaluationError("beyond the calendar")
    return at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1]))


def _written(value: Temporal, at: datetime) -> Temporal:
    day = f"{at.year:04}-{at.month:02}-{at.day:02}"
    time = f"{at.hour:02}:{at.minute:02}"
    if value.precision >= SECOND:
        time += f":{at.second:02}"
    if value.precision >= MILLISECOND:
        time += "." + f"{at.microsecond:06}"[: max(3, min(6, len(value.fraction)))]
    zone = ""
    if value.offset is not None:
        minutes = int(value.offset.total_seconds()) // 60
        sign = "-" if minutes < 0 else "+"
        zone = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
        if value.text.endswith("Z"):
            zone = "Z"
    if value.kind == "time":
        text = time
    elif value.precision <= DAY:
        text = day[: (4, 7, 10)[value.precision]]
    else:
        text = f"{day}T{time}{zone}"
    return replace(value, text=text, at=at)


def now() -> Temporal:
    """This moment, in UTC."""
    text = datetime.now(UTC).isoformat(timespec="milliseconds")
    found = read(text, "dateTime")
    assert found is not None  # noqa: S101 - isoformat writes what read reads
    return found


def today() -> Temporal:
    """This day, in UTC."""
    found = read(datetime.now(UTC).date().isoformat(), "date")
    assert found is not None  # noqa: S101 - isoformat writes what read reads
    return found


def time_of_day() -> Temporal:
    """The time of day, in UTC."""
    found = read(datetime.now(UTC).time().isoformat(timespec="milliseconds"), "time")
    assert found is not None  # noqa: S101 - isoformat writes what read reads
    return found
