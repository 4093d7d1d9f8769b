"""``toInteger()``, ``convertsToDate()`` and their like; now and today.

https://hl7.org/fhirpath/N1/#conversion
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter.validation.fhirpath import temporal
from adapter.validation.fhirpath.arithmetic import is_number
from adapter.validation.fhirpath.code import Code, boolean, single
from adapter.validation.fhirpath.functions.common import on_one, value_of
from adapter.validation.fhirpath.quantities import UCUM, Quantity, comparable, read_quantity
from adapter.validation.fhirpath.syntax import Syntax
from adapter.validation.fhirpath.temporal import Temporal
from adapter.validation.fhirpath.types import (
    BOOLEAN,
    DATE,
    DATE_TIME,
    DECIMAL,
    INTEGER,
    QUANTITY,
    STRING,
    TIME,
    Type,
)
from adapter.validation.fhirpath.values import as_quantity, number, plain, text

if TYPE_CHECKING:
    from adapter.validation.fhirpath.compiler import Compiler, Scope
    from adapter.validation.fhirpath.functions.common import Function

Arguments = tuple[Syntax, ...]
_INTEGER = re.compile(r"[+-]?\d{1,19}")
_DECIMAL = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?")
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


def _to_integer(value: Any) -> int | None:
    value = plain(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    written = text(value) if isinstance(value, (str, Decimal)) else None
    return int(written) if written is not None and _INTEGER.fullmatch(written) else None


def _to_decimal(value: Any) -> Decimal | None:
    value = plain(value)
    if isinstance(value, bool):
        return Decimal(int(value))
    if is_number(value):
        return Decimal(number(value))
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def _to_boolean(value: Any) -> bool | None:
    value = plain(value)
    if isinstance(value, bool):
        return value
    if is_number(value):
        return {0: False, 1: True}.get(number(value))
    if isinstance(value, str):
        if value.lower() in _TRUE:
            return True
        return False if value.lower() in _FALSE else None
    return None


def _to_quantity(value: Any) -> Quantity | None:
    quantity = as_quantity(value)
    if quantity is not None:
        return quantity
    value = plain(value)
    if isinstance(value, bool):
        return Quantity(Decimal(int(value)))
    if is_number(value):
        return Quantity(Decimal(number(value)))
    return read_quantity(value) if isinstance(value, str) else None


def _to_date(value: Any) -> Temporal | None:
    value = plain(value)
    if isinstance(value, Temporal) and value.kind != "time":
        return (
            value if value.kind == "date" else temporal.read(value.text.partition("T")[0], "date")
        )
    if not isinstance(value, str):
        return None
    if temporal.read(value, "dateTime") is None:
        return None
    return temporal.read(value.partition("T")[0], "date")


def _to_date_time(value: Any) -> Temporal | None:
    value = plain(value)
    if isinstance(value, Temporal) and value.kind != "time":
        return temporal.read(value.text, "dateTime")
    return temporal.read(value, "dateTime") if isinstance(value, str) else None


def _to_time(value: Any) -> Temporal | None:
    value = plain(value)
    if isinstance(value, Temporal):
        return value if value.kind == "time" else None
    return temporal.read(value.removeprefix("T"), "time") if isinstance(value, str) else None


def _conversion(name: str, convert: Callable[[Any], Any], kind: Type) -> Function:
    def build(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
        return on_one(compiler, source, name, convert, kind)

    return 0, 1, build


def _test(name: str, convert: Callable[[Any], Any]) -> Function:
    def build(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
        return on_one(compiler, source, name, lambda value: convert(value) is not None, BOOLEAN)

    return 0, 1, build


def _moment(make: Callable[[], Temporal], kind: Type) -> Function:
    def build(_compiler: Compiler, _source: Code, _arguments: Arguments, _scope: Scope) -> Code:
        return single(lambda _v, _r: make(), kind)

    return 0, 0, build


def _comparable(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    items = compiler.paths.free(source).items
    other = value_of(compiler, arguments[0], scope, "comparable")

    def compare(v: Any, r: Any) -> bool:
        found = items(v, r)
        one = _coded(found[0]) if len(found) == 1 else None
        two = _coded(other(v, r))
        if one is None or two is None or one[0] != two[0]:
            return False
        return one[1] == two[1] or (one[0] == UCUM and comparable(one[1], two[1]))

    return boolean(compare)


def _coded(item: Any) -> tuple[str, str] | None:
    """The system and code of a quantity's unit; None when it has not both."""
    if isinstance(item, Quantity):
        return UCUM, item.code
    if as_quantity(item) is None:
        return None
    system, code = item.value.get("system"), item.value.get("code")
    return (system, code) if isinstance(system, str) and isinstance(code, str) else None


_CONVERSIONS: dict[str, tuple[Callable[[Any], Any], Type]] = {
    "Integer": (_to_integer, INTEGER),
    "Decimal": (_to_decimal, DECIMAL),
    "Boolean": (_to_boolean, BOOLEAN),
    "Quantity": (_to_quantity, QUANTITY),
    "Date": (_to_date, DATE),
    "DateTime": (_to_date_time, DATE_TIME),
    "Time": (_to_time, TIME),
    "String": (text, STRING),
}
FUNCTIONS: dict[str, Function] = (
    {f"to{name}": _conversion(f"to{name}", f, kind) for name, (f, kind) in _CONVERSIONS.items()}
    | {f"convertsTo{name}": _test(f"convertsTo{name}", f) for name, (f, _) in _CONVERSIONS.items()}
    | {
        "now": _moment(temporal.now, DATE_TIME),
        "today": _moment(temporal.today, DATE),
        "timeOfDay": _moment(temporal.time_of_day, TIME),
        "comparable": (1, 1, _comparable),
    }
)
