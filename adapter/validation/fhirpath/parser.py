"""From text to syntax: a Pratt parser of FHIRPath.

https://hl7.org/fhirpath/N1/grammar.html
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from adapter.validation.fhirpath.errors import NotEvaluated
from adapter.validation.fhirpath.lexer import Token, tokens
from adapter.validation.fhirpath.quantities import CALENDAR, Quantity
from adapter.validation.fhirpath.syntax import (
    Binary,
    Call,
    Empty,
    External,
    Item,
    Literal,
    Member,
    Name,
    OfType,
    Syntax,
    Unary,
    Variable,
)
from adapter.validation.fhirpath.temporal import literal as temporal_literal

_LEVELS = (
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in", "contains"),
    ("=", "~", "!=", "!~"),
    ("<=", "<", ">", ">="),
    ("|",),
    ("is", "as"),
    ("+", "-", "&"),
    ("*", "/", "div", "mod"),
)
_PRECEDENCE = {name: level for level, names in enumerate(_LEVELS, 1) for name in names}
_DEEPEST = 200


@lru_cache(maxsize=4096)
def parse(expression: str) -> Syntax:
    """The syntax of an expression; raises NotEvaluated where it is not FHIRPath."""
    parser = _Parser(expression)
    node = parser.expression(0)
    parser.expect_end()
    return node


class _Parser:
    def __init__(self, expression: str):
        self._tokens = tokens(expression)
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        self._at += 1
        return token

    def _is(self, symbol: str) -> bool:
        return self._next.kind == "symbol" and self._next.text == symbol

    def _accept(self, symbol: str) -> bool:
        if self._is(symbol):
            self._at += 1
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            raise self._unexpected(symbol)

    def expect_end(self) -> None:
        if self._next.kind != "end":
            raise self._unexpected("the end")

    def _unexpected(self, wanted: str) -> NotEvaluated:
        found = self._next
        return NotEvaluated(f"{wanted} expected at {found.at}, not {found.text or found.kind!r}")

    def expression(self, least: int) -> Syntax:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise NotEvaluated("nested too deeply")
        left = self._unary()
        while (level := self._operator()) > least:
            operator = self._take().text
            if operator in ("is", "as"):
                left = OfType(operator, left, self._type())
            else:
                left = Binary(operator, left, self.expression(level))
        self._depth -= 1
        return left

    def _operator(self) -> int:
        token = self._next
        return _PRECEDENCE.get(token.text, 0) if token.kind in ("symbol", "name") else 0

    def _type(self) -> str:
        name = self._name()
        return f"{name}.{self._name()}" if self._accept(".") else name

    def _name(self) -> str:
        if self._next.kind != "name":
            raise self._unexpected("a name")
        return self._take().text

    def _unary(self) -> Syntax:
        if self._is("-") or self._is("+"):
            return Unary(self._take().text, self._unary())
        node = self._term()
        while True:
            if self._accept("."):
                node = Member(node, self._member())
            elif self._accept("["):
                node = Item(node, self.expression(0))
                self._expect("]")
            else:
                return node

    def _member(self) -> Name | Call | Variable:
        if self._next.kind == "variable":
            return Variable(self._take().text)
        name = self._name()
        return Call(name, self._arguments()) if self._is("(") else Name(name)

    def _arguments(self) -> tuple[Syntax, ...]:
        self._expect("(")
        found: list[Syntax] = []
        if not self._is(")"):
            found.append(self.expression(0))
            while self._accept(","):
                found.append(self.expression(0))
        self._expect(")")
        return tuple(found)

    def _term(self) -> Syntax:
        token = self._take()
        match token.kind:
            case "string":
                return Literal(token.text)
            case "number":
                return self._number(token.text)
            case "datetime":
                return Literal(temporal_literal(token.text))
            case "external":
                return External(token.text)
            case "variable":
                return Variable(token.text)
            case "name" if token.text in ("true", "false") and not self._is("("):
                return Literal(token.text == "true")
            case "name":
                return Call(token.text, self._arguments()) if self._is("(") else Name(token.text)
        if token.text == "(":
            inner = self.expression(0)
            self._expect(")")
            return inner
        if token.text == "{" and self._accept("}"):
            return Empty()
        self._at -= 1
        raise self._unexpected("a value")

    def _number(self, text: str) -> Syntax:
        number = Decimal(text) if "." in text else int(text)
        token = self._next
        if token.kind == "string":
            return Literal(Quantity(Decimal(number), self._take().text))
        if token.kind == "name" and token.text in CALENDAR:
            return Literal(Quantity(Decimal(number), self._take().text, calendar=True))
        return Literal(number)
