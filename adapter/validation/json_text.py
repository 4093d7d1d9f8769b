"""JSON text that is not quite JSON: what can be read of it, and every fault with its line.

HL7's validator reads on after a comment, a missing or an extra comma, a name without quotes or a
key that stands twice, and reports each; so does this reader, which is used only where the quick
one failed or would have lost something.  https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from adapter.validation.issues import Issue

MAX_DEPTH = 250  # orjson writes no deeper, and no resource comes near
MAX_ISSUES = 100  # in one text; more means that it is no JSON
MAX_EXPONENT = 9_999  # beyond it, arithmetic on the number would take for ever
DOUBLE_DIGITS = 15  # that a double keeps
MAX_DIGITS = 4_000  # Python refuses longer integers, for the time that reading them takes

# possessive: what a string holds is never looked at twice, nor remembered
STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRING = re.compile(STRING, re.DOTALL)
_SPACE = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*)*")
_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_CONTROL = re.compile(r"[\x00-\x1f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_WORDS = {"true": True, "false": False, "null": None}


class Parsed(NamedTuple):
    """What a text holds (None when nothing can be made of it), and its faults."""

    value: dict[str, Any] | None
    issues: list[Issue]


def parse(text: str, line: int = 1) -> Parsed:
    """The JSON object of a text that starts at this line."""
    reader = _Reader(text, line)
    try:
        value = reader.resource()
    except _BrokenError as broken:
        message = f"Error parsing JSON: {broken.message}"
        fatal = Issue("fatal", "invalid", "", message, line=reader.line(broken.at))
        return Parsed(None, [*reader.issues(None), fatal])
    return Parsed(value, reader.issues(value.get("resourceType")))


def integer(text: str) -> int | Decimal:
    """An integer; as Decimal where it has more digits than Python reads in reasonable time."""
    return int(text) if len(text) <= MAX_DIGITS else Decimal(text)


def decimal(text: str) -> Decimal:
    """A number with all its digits. Raises ValueError for an exponent nobody can work with."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    exponent = found.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > MAX_EXPONENT:
        raise ValueError(text)
    return found


def number(text: str) -> int | float | Decimal:
    """A JSON number; as Decimal where a double would lose a digit."""
    if not text.lstrip("-").isdigit():
        plain = len(text) <= DOUBLE_DIGITS and "e" not in text.lower()
        return float(text) if plain else Decimal(text)
    return int(text) if len(text) <= DOUBLE_DIGITS else integer(text)


def shortened(text: str) -> str:
    """A value as a message may quote it."""
    return text if len(text) <= 40 else f"{text[:40]}…"


class _BrokenError(Exception):
    def __init__(self, message: str, at: int):
        super().__init__(message)
        self.message = message
        self.at = at


class _Found(NamedTuple):
    path: str
    message: str
    id: str
    at: int
    severity: str


class _Reader:
    """A recursive-descent reader over one text."""

    def __init__(self, text: str, line: int):
        self._text = text
        self._first = line
        self._at = 0
        self._path: list[str] = []
        self._found: list[_Found] = []

    def line(self, at: int) -> int:
        return self._first + self._text.count("\n", 0, at)

    def issues(self, kind: object) -> list[Issue]:
        """The faults so far; their paths start at the type of the resource."""
        root = kind if isinstance(kind, str) else "$"
        return [
            Issue(f.severity, "invalid", root + f.path, f.message, f.id, line=self.line(f.at))
            for f in self._found
        ]

    def resource(self) -> dict[str, Any]:
        self._skip()
        if self._peek() != "{":
            what = f"'{self._peek()}'" if self._peek() else "the end"
            raise _BrokenError(f"a resource is a JSON object, this starts with {what}", self._at)
        found = self._object(1)
        self._skip()
        if self._peek():
            raise _BrokenError("there is more behind the end of the resource", self._at)
        return found

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        end = match.end() if match else self._at
        if end > self._at and "//" in self._text[self._at : end]:
            self._fault("Comments are not allowed in JSON", "JSON_COMMENTS_NOT_ALLOWED")
        self._at = end

    def _fault(
        self, message: str, id_: str, at: int | None = None, severity: str = "error"
    ) -> None:
        at = self._at if at is None else at
        if len(self._found) >= MAX_ISSUES:
            raise _BrokenError("too many faults, this is no JSON", at)
        self._found.append(_Found("".join(self._path), message, id_, at, severity))

    def _value(self, name: str, depth: int) -> Any:
        start = self._peek()
        if start == "{":
            return self._object(depth + 1)
        if start == "[":
            return self._array(depth + 1)
        if start == '"':
            return self._string()
        if match := _NUMBER.match(self._text, self._at):
            return self._number(match.group())
        if match := _WORD.match(self._text, self._at):
            return self._word(match.group(), name)
        raise self._unexpected("a value")

    def _object(self, depth: int) -> dict[str, Any]:
        self._enter(depth)
        found: dict[str, Any] = {}
        self._skip()
        while self._peek() != "}":
            name = self._name()
            self._skip()
            if self._peek() != ":":
                raise self._unexpected("a colon")
            self._at += 1
            self._path.append(f".{name}")
            self._skip()
            at = self._at
            value = self._value(name, depth)
            self._path.pop()
            if name in found:
                text = f"The JSON property '{name}' is a duplicate and will be ignored"
                self._fault(text, "DUPLICATE_JSON_PROPERTY_KEY", at)
            found.setdefault(name, value)
            self._separator("}", "Object")
        self._at += 1
        return found

    def _array(self, depth: int) -> list[Any]:
        self._enter(depth)
        found: list[Any] = []
        self._skip()
        while self._peek() != "]":
            self._path.append(f"[{len(found)}]")
            found.append(self._value("item", depth))
            self._path.pop()
            self._separator("]", "Array")
        self._at += 1
        return found

    def _enter(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _BrokenError(f"nested more than {MAX_DEPTH} levels deep", self._at)
        self._at += 1

    def _separator(self, end: str, what: str) -> None:
        self._skip()
        if self._peek() == ",":
            comma = self._at
            self._at += 1
            self._skip()
            if self._peek() == end:
                text = f"There is an extra comma at the end of the {what} in the JSON"
                self._fault(text, "JSON_COMMA_EXTRA", comma)
        elif self._peek() != end:
            starts_item = self._peek() == '"' or (end == "]" and self._peek() in ("{", "["))
            if not starts_item and not _WORD.match(self._text, self._at):
                raise self._unexpected(f"a comma or '{end}'")
            self._fault("A Comma is missing in the JSON", "JSON_COMMA_MISSING")

    def _name(self) -> str:
        if self._peek() == '"':
            return self._string()
        match = _WORD.match(self._text, self._at)
        if match is None:
            raise self._unexpected("the name of a property")
        text = f"The JSON property '{match.group()}' has no quotes around the name of the property"
        self._fault(text, "JSON_PROPERTY_NO_QUOTES")
        self._at = match.end()
        return match.group()

    def _string(self) -> str:
        match = _STRING.match(self._text, self._at)
        if match is None:
            raise _BrokenError("a string does not end", self._at)
        try:
            found: str = json.loads(match.group(), strict=False)
        except ValueError:
            raise _BrokenError("a string holds an unknown escape sequence", self._at) from None
        if _SURROGATE.search(found):
            self._fault("A string holds half of a surrogate pair", "JSON_SURROGATE")
        elif _CONTROL.search(match.group()):
            text = "A control character in a string must be written as an escape sequence"
            self._fault(text, "JSON_CONTROL_CHARACTER", severity="warning")
        self._at = match.end()
        return _SURROGATE.sub("\ufffd", found)

    def _number(self, text: str) -> int | Decimal:
        well_formed = _JSON_NUMBER.fullmatch(text)
        try:
            whole = well_formed and not well_formed.group(1) and not well_formed.group(2)
            found = integer(text) if whole else decimal(text)
        except ValueError:
            raise _BrokenError(f"{shortened(text)} is no number to work with", self._at) from None
        if not well_formed:
            message = f"The value '{shortened(text)}' is not a valid decimal"
            self._fault(message, "Type_Specific_Checks_DT_Decimal_Valid")
        self._at += len(text)
        return found

    def _word(self, word: str, name: str) -> Any:
        if word not in _WORDS:
            text = (
                f"The JSON property '{name}' has no quotes around the value of the property "
                f"'{shortened(word)}'"
            )
            self._fault(text, "JSON_PROPERTY_VALUE_NO_QUOTES")
        self._at += len(word)
        return _WORDS.get(word, word)

    def _unexpected(self, wanted: str) -> _BrokenError:
        found = f"'{self._peek()}'" if self._peek() else "the end"
        return _BrokenError(f"{found} stands where {wanted} is expected", self._at)
