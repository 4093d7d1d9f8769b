"""Quantities, and UCUM's factors between their units.

https://hl7.org/fhirpath/N1/#quantity and https://ucum.org/ucum
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path

UCUM = "http://unitsofmeasure.org"
# calendar durations by their name, with the UCUM unit of the definite ones
_DURATIONS = {
    "year": "a", "month": "mo", "week": "wk", "day": "d",
    "hour": "h", "minute": "min", "second": "s", "millisecond": "ms",
}  # fmt: skip
CALENDAR = _DURATIONS | {f"{name}s": code for name, code in _DURATIONS.items()}
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d+)?)(?:\s+(?:'([^']*)'|([a-z]+))|'([^']*)')?")
_FACTORS = Path(__file__).with_name("ucum-factors.txt")
_PART = re.compile(r"\{[^}]*\}|[./()]|(?:\[[^\]]*\]|[^./(){}\[\]])+")
_SYMBOL = re.compile(r"(.*?[^0-9+-])([+-]?[0-9]+)?", re.DOTALL)
_DEEPEST = 50

Dimensions = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit: a UCUM code, or the word for a calendar duration."""

    value: Decimal
    unit: str = "1"
    calendar: bool = False

    def __str__(self) -> str:
        return f"{self.value:f} {self.unit}" if self.calendar else f"{self.value:f} '{self.unit}'"

    @property
    def code(self) -> str:
        """The UCUM code of the unit."""
        return CALENDAR[self.unit] if self.calendar else self.unit


def read_quantity(text: str) -> Quantity | None:
    """The quantity that a text such as ``1 'wk'`` or ``4 days`` is; None when it is none."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        return None
    number, unit, word, joined = match.groups()
    if word is not None:
        return Quantity(Decimal(number), word, calendar=True) if word in CALENDAR else None
    return Quantity(Decimal(number), unit or joined or "1")


class _UnitError(Exception):
    """A unit that has no factor: unknown, or on a scale with an offset."""


@dataclass(slots=True)
class _Table:
    prefixes: dict[str, Fraction]
    atoms: dict[str, tuple[Fraction, str]]
    metric: set[str]
    base: set[str]


@cache
def _table() -> _Table:
    table = _Table({}, {}, set(), set())
    for line in _FACTORS.read_text().splitlines():
        kind, *rest = line.split(" ")
        if kind == "prefix":
            table.prefixes[rest[0]] = Fraction(Decimal(rest[1]))
        elif kind == "base":
            table.base.add(rest[0])
        elif kind in ("metric", "other"):
            table.atoms[rest[0]] = (Fraction(Decimal(rest[1])), rest[2])
            if kind == "metric":
                table.metric.add(rest[0])
    return table


@lru_cache(maxsize=2048)
def canonical(unit: str) -> tuple[Fraction, Dimensions] | None:
    """A unit's factor to the base units, and those; None for what has none."""
    try:
        factor, powers = _Reader(unit, 0).read()
    except (_UnitError, ZeroDivisionError, IndexError, OverflowError):
        return None
    return factor, tuple(sorted((base, power) for base, power in powers.items() if power))


Measure = tuple[Fraction, dict[str, int]]


def _combine(left: Measure, right: Measure, sign: int) -> Measure:
    powers = dict(left[1])
    for base, power in right[1].items():
        powers[base] = powers.get(base, 0) + sign * power
    return left[0] * right[0] ** sign, powers


class _Reader:
    def __init__(self, unit: str, depth: int):
        self._parts = [p for p in _PART.findall(unit) if not p.startswith("{")]
        self._at = 0
        self._depth = depth
        if depth > _DEEPEST:
            raise _UnitError(unit)

    def read(self) -> Measure:
        measure = self._term()
        if self._at != len(self._parts):
            raise _UnitError
        return measure

    def _peek(self) -> str:
        return self._parts[self._at] if self._at < len(self._parts) else ""

    def _term(self) -> Measure:
        measure: Measure = (Fraction(1), {})
        sign = 1
        if self._peek() == "/":
            self._at += 1
            sign = -1
        while self._peek() not in ("", ")"):
            measure = _combine(measure, self._component(), sign)
            if self._peek() not in (".", "/"):
                break
            sign = 1 if self._peek() == "." else -1
            self._at += 1
        return measure

    def _component(self) -> Measure:
        part = self._peek()
        self._at += 1
        if part == "(":
            inner = self._term()
            if self._peek() != ")":
                raise _UnitError
            self._at += 1
            return inner
        if part.isdecimal():
            return Fraction(int(part)), {}
        match = _SYMBOL.fullmatch(part)
        if match is None:
            raise _UnitError(part)
        factor, powers = self._symbol(match[1])
        exponent = int(match[2] or 1)
        if abs(exponent) > _DEEPEST:
            raise _UnitError(part)
        return factor**exponent, {base: power * exponent for base, power in powers.items()}

    def _symbol(self, symbol: str) -> Measure:
        table = _table()
        if symbol in table.base:
            return Fraction(1), {symbol: 1}
        if symbol in table.atoms:
            factor, unit = table.atoms[symbol]
            inner = _Reader(unit, self._depth + 1).read() if unit != "1" else (Fraction(1), {})
            return factor * inner[0], inner[1]
        for size in (2, 1):
            prefix, rest = symbol[:size], symbol[size:]
            if prefix in table.prefixes and (rest in table.metric or rest in table.base):
                factor, powers = self._symbol(rest)
                return table.prefixes[prefix] * factor, powers
        raise _UnitError(symbol)


def comparable(left: str, right: str) -> bool:
    """Whether two UCUM units measure the same."""
    first, second = canonical(left), canonical(right)
    return first is not None and second is not None and first[1] == second[1]


def measure(quantity: Quantity) -> tuple[Fraction, Dimensions] | None:
    """A quantity in base units; None when its unit has no factor."""
    found = canonical(quantity.code)
    return None if found is None else (Fraction(quantity.value) * found[0], found[1])


def product(left: Quantity, right: Quantity, sign: int) -> Quantity | None:
    """``left`` times ``right``, or divided by it with the sign -1, in base units."""
    first, second = canonical(left.code), canonical(right.code)
    if first is None or second is None or (sign < 0 and right.value == 0):
        return None
    powers = _combine((Fraction(1), dict(first[1])), (Fraction(1), dict(second[1])), sign)[1]
    number = Fraction(left.value) * first[0] * (Fraction(right.value) * second[0]) ** sign
    unit = ".".join(
        f"{base}{power if power != 1 else ''}" for base, power in sorted(powers.items()) if power
    )
    return Quantity(decimal(number), unit or "1")


def decimal(number: Fraction) -> Decimal:
    """A fraction as a decimal number, rounded to the precision of the context."""
    return Decimal(number.numerator) / Decimal(number.denominator)
