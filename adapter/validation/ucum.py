"""Units of UCUM, by its grammar: https://ucum.org/ucum, sections 2 and 3.

Prefixes and atoms are data (``ucum-atoms.txt``); a unit is right when its terms are joined by
``.`` and ``/``, its parentheses close and each of its symbols is an atom, or a metric one with a
prefix. The same verdicts as HL7's ``org.fhir.ucum``, which lets ``m//s`` and ``m)`` pass besides.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

ATOMS = Path(__file__).with_name("ucum-atoms.txt")
LONGEST = 500  # a longer text is not a unit
# braces first: an annotation may hold any other sign
TOKEN = re.compile(r"\{[^}]*\}|[./()]|(?:\[[^\]]*\]|[^./(){}\[\]])+")
# an exponent follows the atom; 10* and 10^ end in a sign that belongs to them
SYMBOL = re.compile(r"(?P<atom>.*?[^0-9+-])(?P<exponent>[+-]?[0-9]+)?", re.DOTALL)
ANNOTATION = re.compile(r"\{[^}]*\}")
NUMBER = re.compile(r"[0-9]+")


class _UnitError(Exception):
    """Why a text is not a unit."""


@cache
def atoms() -> tuple[tuple[str, ...], frozenset[str], frozenset[str]]:
    """Prefixes, atoms that take one, and atoms that do not."""
    rows = dict(
        line.split(" ", 1) for line in ATOMS.read_text().splitlines() if not line.startswith("#")
    )
    prefixes = sorted(rows["prefix"].split(), key=len, reverse=True)
    return tuple(prefixes), frozenset(rows["metric"].split()), frozenset(rows["other"].split())


@lru_cache(maxsize=4096)
def problem(unit: str) -> str | None:
    """What is wrong with a UCUM unit; None when nothing is."""
    if len(unit) > LONGEST:
        return f"a unit of {len(unit)} characters is not one"
    if not unit:
        return "a unit is empty"
    if not unit.isascii() or not all("!" <= sign <= "~" for sign in ANNOTATION.sub("", unit)):
        return f"the unit '{unit}' holds a sign that UCUM does not use"
    try:
        _Parser(unit).parse()
    except _UnitError as error:
        return f"'{unit}' is not a UCUM unit: {error}"
    return None


class _Parser:
    """Reads one unit from left to right."""

    def __init__(self, unit: str):
        self._tokens = TOKEN.findall(unit)
        if "".join(self._tokens) != unit:
            raise _UnitError("its brackets or braces do not match")
        self._at = 0

    def parse(self) -> None:
        """Raises _UnitError when the tokens are not one unit."""
        self._term()
        if self._at < len(self._tokens):
            raise _UnitError(f"'{self._tokens[self._at]}' is out of place")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _term(self) -> None:
        if self._peek() == "/":
            self._at += 1
        self._component()
        while self._peek() in (".", "/"):
            self._at += 1
            self._component()

    def _component(self) -> None:
        part = self._peek()
        self._at += 1
        if part == "(":
            self._term()
            if self._peek() != ")":
                raise _UnitError("a parenthesis is not closed")
            self._at += 1
        elif not part or part in "./)":
            raise _UnitError(f"a unit is missing before '{part}'" if part else "it is cut short")
        elif not part.startswith("{") and not NUMBER.fullmatch(part):
            self._simple(part)
        while self._peek().startswith("{"):
            self._at += 1

    def _simple(self, part: str) -> None:
        match = SYMBOL.fullmatch(part)
        if part[-1:] in "*^" or match is None:
            self._atom(part)
        else:
            self._atom(match["atom"])

    def _atom(self, symbol: str) -> None:
        prefixes, metric, other = atoms()
        if symbol in metric or symbol in other:
            return
        for prefix in prefixes:
            if symbol.startswith(prefix):
                rest = symbol[len(prefix) :]
                if rest in metric:
                    return
                if rest in other:
                    raise _UnitError(f"'{rest}' takes no prefix")
        raise _UnitError(f"'{symbol}' is unknown")
