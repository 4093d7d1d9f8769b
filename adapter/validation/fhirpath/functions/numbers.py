"""Functions of numbers, and the boundaries of what is known with limited precision.

https://hl7.org/fhirpath/N1/#math-1
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from adapter.validation.fhirpath import boundaries
from adapter.validation.fhirpath.arithmetic import is_number
from adapter.validation.fhirpath.code import Code, one_of, single
from adapter.validation.fhirpath.errors import EvaluationError
from adapter.validation.fhirpath.functions.common import on_one, value_of
from adapter.validation.fhirpath.syntax import Syntax
from adapter.validation.fhirpath.temporal import Temporal
from adapter.validation.fhirpath.types import DECIMAL, INTEGER, Type
from adapter.validation.fhirpath.values import Node, as_quantity, number, plain

if TYPE_CHECKING:
    from adapter.validation.fhirpath.compiler import Compiler, Scope
    from adapter.validation.fhirpath.functions.common import Function

Arguments = tuple[Syntax, ...]


def _number(value: Any) -> Any:
    value = plain(value)
    if not is_number(value):
        raise EvaluationError("a number is wanted")
    return number(value)


def _of_number(name: str, apply: Callable[[Any], Any], kind: Type | None) -> Function:
    def build(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
        return on_one(compiler, source, name, lambda value: apply(_number(value)), kind)

    return 0, 0, build


def _of_two(name: str, apply: Callable[[Any, Any], Any]) -> Function:
    def build(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
        one, convert = one_of(source, name), compiler.to_value(source.type)
        argument = value_of(compiler, arguments[0], scope, name)

        def result(v: Any, r: Any) -> Any:
            value, given = convert(one(v, r)), argument(v, r)
            if value is None or given is None:
                return None
            return apply(_number(value), _number(given))

        return single(result, None)

    return 1, 1, build


def _abs(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    def size(value: Any) -> Any:
        quantity = as_quantity(value)
        if quantity is not None:
            return replace(quantity, value=abs(quantity.value))
        return abs(_number(value))

    return on_one(compiler, source, "abs", size, None)


def _real(number: float) -> Decimal | None:
    return Decimal(repr(number)) if math.isfinite(number) else None


def _sqrt(value: Any) -> Decimal | None:
    return Decimal(value).sqrt() if value >= 0 else None


def _ln(value: Any) -> Decimal | None:
    return Decimal(value).ln() if value > 0 else None


def _log(value: Any, base: Any) -> Decimal | None:
    if value <= 0 or base <= 0 or base == 1:
        return None
    return _real(round(math.log(float(value), float(base)), 12))


def _power(value: Any, exponent: Any) -> Any:
    if isinstance(value, int) and isinstance(exponent, int) and 0 <= exponent < 10_000:
        return value**exponent if abs(value) < 10**6 and exponent < 1_000 else None
    try:
        found = float(value) ** float(exponent)
    except (OverflowError, ZeroDivisionError):
        return None
    return None if isinstance(found, complex) else _real(found)


def _exp(value: Any) -> Decimal | None:
    try:
        return _real(math.exp(float(value)))
    except OverflowError:
        return None


def _round(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    one, convert = one_of(source, "round"), compiler.to_value(source.type)
    digits = value_of(compiler, arguments[0], scope, "round") if arguments else None

    def rounded(v: Any, r: Any) -> Any:
        value = convert(one(v, r))
        if value is None:
            return None
        places = digits(v, r) if digits is not None else 0
        if not isinstance(places, int) or not 0 <= places < 100:
            raise EvaluationError("no number of digits")
        return Decimal(_number(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)

    return single(rounded, DECIMAL)


def _of_all(what: Callable[[list[Any]], Any]) -> Function:
    """A function of a collection of numbers, empty for an empty one."""

    def build(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
        items = compiler.values(source)

        def result(v: Any, r: Any) -> Any:
            found = [_number(item) for item in items(v, r)]
            return what(found) if found else None

        return single(result, None)

    return 0, 0, build


# -- boundaries ------------------------------------------------------------------------------------


def _boundary(name: str, high: bool) -> Function:
    def build(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
        one, convert = one_of(source, name), compiler.to_value(source.type)
        digits = value_of(compiler, arguments[0], scope, name) if arguments else None

        def bound(v: Any, r: Any) -> Any:
            value = convert(one(v, r))
            if value is None:
                return None
            return _bound(plain(value), digits(v, r) if digits is not None else None, high)

        return single(bound, None)

    return 0, 1, build


def _bound(value: Any, digits: int | None, high: bool) -> Any:
    if isinstance(value, Temporal):
        return boundaries.of_temporal(value, digits, high)
    places = 8 if digits is None else digits
    if is_number(value):
        return boundaries.of_decimal(Decimal(number(value)), places, high)
    quantity = as_quantity(value)
    if quantity is None:
        if isinstance(value, Node):
            return None  # a quantity without value
        raise EvaluationError("no boundary")
    found = boundaries.of_decimal(quantity.value, places, high)
    if found is None:
        return None
    if isinstance(value, Node):
        return Node({**value.value, "value": found}, value.type, value.sibling)
    return replace(quantity, value=found)


def _precision(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    def digits(value: Any) -> int | None:
        value = plain(value)
        if isinstance(value, Temporal):
            return boundaries.precision(value)
        return boundaries.precision(Decimal(_number(value)))

    return on_one(compiler, source, "precision", digits, INTEGER)


FUNCTIONS: dict[str, Function] = {
    "abs": (0, 0, _abs),
    "ceiling": _of_number("ceiling", math.ceil, INTEGER),
    "floor": _of_number("floor", math.floor, INTEGER),
    "truncate": _of_number("truncate", int, INTEGER),
    "exp": _of_number("exp", _exp, DECIMAL),
    "ln": _of_number("ln", _ln, DECIMAL),
    "sqrt": _of_number("sqrt", _sqrt, DECIMAL),
    "log": _of_two("log", _log),
    "power": _of_two("power", _power),
    "round": (0, 1, _round),
    "sum": _of_all(sum),
    "min": _of_all(min),
    "max": _of_all(max),
    "avg": _of_all(lambda found: Decimal(sum(found)) / len(found)),
    "lowBoundary": _boundary("lowBoundary", False),
    "highBoundary": _boundary("highBoundary", True),
    "precision": (0, 0, _precision),
}
