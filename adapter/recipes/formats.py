"""Date formats of study.yaml: how much of a date they state, and whether all of it can be kept.

Told by trying: https://docs.python.org/3/library/datetime.html#format-codes
"""

from __future__ import annotations

import datetime as dt
import re
from functools import cache

# How much of FHIR's text is kept: https://hl7.org/fhir/R4/datatypes.html#dateTime
LENGTHS = {"year": 4, "month": 7, "date": 10, "time": None}
_ORDER = list(LENGTHS)

_SAMPLE = dt.datetime(2004, 10, 25, 20, 30, 15, 250_000, tzinfo=dt.UTC)
_OTHER_TIME = dt.datetime(2004, 10, 25, 9, 41, 52, 7, tzinfo=dt.UTC)
_OTHERS = {  # that differ in whatever is finer, in %I, the week and the day of the week too
    "year": _OTHER_TIME.replace(month=3, day=6),
    "month": _OTHER_TIME.replace(day=6),
    "date": _OTHER_TIME,
}


@cache
def precision(form: str) -> str | None:
    """``year``, ``month``, ``date`` or ``time``; None for a format by which no date is read."""
    read = _read(form)
    if read is None or read.year != _SAMPLE.year:
        return None
    if read.month != _SAMPLE.month:
        return "year"
    if read.day != _SAMPLE.day:
        return "month"
    return "time" if read.hour == _SAMPLE.hour else "date"


def loses(form: str, keep: str | None = None) -> bool:
    """Whether something that the format reads, and that is wanted, would go or be made up."""
    stated = precision(form)
    if stated is None or (keep and _ORDER.index(stated) >= _ORDER.index(keep)):
        return False
    if stated != "time":
        return _SAMPLE.strftime(form) != _OTHERS[stated].strftime(form)
    read, directives = _read(form), set(re.findall("%(.)", form))
    idle = "p" in directives and ("I" not in directives or "H" in directives)
    return read is None or read.minute != _SAMPLE.minute or "Z" in directives or idle


def _read(form: str) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(_SAMPLE.strftime(form), form)  # noqa: DTZ007
    except (ValueError, re.error):
        return None
