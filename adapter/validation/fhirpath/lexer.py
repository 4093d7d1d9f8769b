"""FHIRPath's tokens.

https://hl7.org/fhirpath/N1/#lexical-elements
"""

from __future__ import annotations

import re
from typing import NamedTuple

from adapter.validation.fhirpath.errors import NotEvaluated

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<datetime>@\d{4}(?:-\d\d(?:-\d\d)?)?
        (?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)?
      | @T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<quoted>`(?:[^`\\]|\\.)*`)
  | (?P<external>%(?:[A-Za-z_][A-Za-z0-9_\-]*|`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*'))
  | (?P<variable>\$(?:this|index|total)\b)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<symbol><=|>=|!=|!~|[-+*/&|<>=~.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPED = {"t": "\t", "r": "\r", "n": "\n", "f": "\f"} | {c: c for c in "'\"`\\/"}


class Token(NamedTuple):
    """One token: its kind, its text without quotes, and where it begins."""

    kind: str
    text: str
    at: int


def tokens(expression: str) -> list[Token]:
    """All tokens but white space and comments, and one of the kind ``end``.

    Raises NotEvaluated for text that is no FHIRPath.
    """
    found: list[Token] = []
    at = 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise NotEvaluated(f"not FHIRPath at {at}: {expression[at : at + 20]!r}")
        kind, text = str(match.lastgroup), match.group()
        if kind == "string":
            text = unescape(text[1:-1])
        elif kind == "quoted":
            kind, text = "name", unescape(text[1:-1])
        elif kind == "external":
            text = unescape(text[2:-1]) if text[1] in "`'" else text[1:]
        if kind != "space":
            found.append(Token(kind, text, at))
        at = match.end()
    found.append(Token("end", "", at))
    return found


def unescape(text: str) -> str:
    r"""A string without its escapes: ``\'`` is ``'``, ``\u0065`` is ``e``."""
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    code = match.group(1)
    if len(code) == 5:
        return chr(int(code[1:], 16))
    if code not in _ESCAPED:
        raise NotEvaluated(f"unknown escape \\{code}")
    return _ESCAPED[code]
