"""``+ - * / div mod &`` and the signs, on FHIRPath's own values.

https://hl7.org/fhirpath/N1/#math
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Context, Decimal, localcontext
from typing import Any

from adapter.validation.fhirpath import temporal
from adapter.validation.fhirpath.errors import EvaluationError
from adapter.validation.fhirpath.quantities import Quantity, product
from adapter.validation.fhirpath.temporal import Temporal
from adapter.validation.fhirpath.values import Node, as_quantity, number, text

DIGITS = Context(prec=28)


def is_number(value: Any) -> bool:
    """Whether a value is an Integer or Decimal."""
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    return value.type.name if isinstance(value, Node) else type(value).__name__


def _numbers(left: Any, right: Any, sign: str) -> tuple[Any, Any]:
    if not is_number(left) or not is_number(right):
        raise EvaluationError(f"no {_kind(left)} {sign} {_kind(right)}")
    return number(left), number(right)


def _plus(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, Temporal):
        return _moved(left, right, 1)
    if (found := _of_quantities(left, right, 1)) is not None:
        return found
    one, other = _numbers(left, right, "+")
    return one + other


def _minus(left: Any, right: Any) -> Any:
    if isinstance(left, Temporal):
        return _moved(left, right, -1)
    if (found := _of_quantities(left, right, -1)) is not None:
        return found
    one, other = _numbers(left, right, "-")
    return one - other


def _moved(left: Temporal, right: Any, sign: int) -> Temporal:
    quantity = as_quantity(right)
    if quantity is None:
        raise EvaluationError(f"no {left.kind} and {_kind(right)}")
    return temporal.add(left, quantity, sign)


def _of_quantities(left: Any, right: Any, sign: int) -> Quantity | None:
    one, other = as_quantity(left), as_quantity(right)
    if one is None or other is None:
        return None
    if one.unit != other.unit:
        raise EvaluationError(f"no sum of {one.unit} and {other.unit}")
    return replace(one, value=one.value + sign * other.value)


def _times(left: Any, right: Any) -> Any:
    one, other = as_quantity(left), as_quantity(right)
    if one is not None and other is not None:
        return _product(one, other, 1)
    if one is not None and is_number(right):
        return replace(one, value=one.value * Decimal(number(right)))
    if other is not None and is_number(left):
        return replace(other, value=other.value * Decimal(number(left)))
    first, second = _numbers(left, right, "*")
    return first * second


def _divided(left: Any, right: Any) -> Any:
    one, other = as_quantity(left), as_quantity(right)
    if one is not None and other is not None:
        return _product(one, other, -1)
    if one is not None and is_number(right):
        return replace(one, value=one.value / Decimal(number(right))) if right else None
    first, second = _numbers(left, right, "/")
    if second == 0:
        return None
    with localcontext(DIGITS):
        return Decimal(first) / Decimal(second)


def _product(one: Quantity, other: Quantity, sign: int) -> Quantity | None:
    found = product(one, other, sign)
    if found is None and not (sign < 0 and other.value == 0):
        raise EvaluationError(f"{one.unit} and {other.unit} have no common measure")
    return found


def _whole(left: Any, right: Any) -> Any:
    one, other = _numbers(left, right, "div")
    return int(Decimal(one) / Decimal(other)) if other else None


def _rest(left: Any, right: Any) -> Any:
    one, other = _numbers(left, right, "mod")
    if other == 0:
        return None
    found = Decimal(one) % Decimal(other)
    return int(found) if isinstance(one, int) and isinstance(other, int) else found


def _joined(left: Any, right: Any) -> str:
    for value in (left, right):
        if value is not None and not isinstance(value, str):
            raise EvaluationError(f"& wants strings, not {_kind(value)}")
    return (text(left) or "") + (text(right) or "")


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": _plus,
    "-": _minus,
    "*": _times,
    "/": _divided,
    "div": _whole,
    "mod": _rest,
    "&": _joined,
}


def negative(value: Any) -> Any:
    """A number or quantity with the other sign; raises EvaluationError for anything else."""
    if value is None:
        return None
    if isinstance(value, Quantity):
        return replace(value, value=-value.value)
    if not is_number(value):
        raise EvaluationError(f"no minus before {_kind(value)}")
    return -number(value)
