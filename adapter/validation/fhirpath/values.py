"""What expressions work on, and how two such values compare.

Where the type is known while compiling, an item is the JSON itself: a dict, str, bool or number, or
a ``Prim`` where a primitive has an id or extensions. Elsewhere it is a ``Node``, that carries its
type. Values of FHIRPath's own types are str, bool, int, Decimal, Temporal, Quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from adapter.validation.fhirpath import temporal
from adapter.validation.fhirpath.errors import EvaluationError
from adapter.validation.fhirpath.quantities import UCUM, Quantity, measure
from adapter.validation.fhirpath.temporal import Temporal
from adapter.validation.fhirpath.types import (
    BOOLEAN,
    DATE,
    DATE_TIME,
    DECIMAL,
    INFO,
    INTEGER,
    QUANTITY,
    STRING,
    TIME,
    Type,
)

_TEMPORAL = {"date": DATE, "dateTime": DATE_TIME, "time": TIME}


_CALENDAR_ONLY = frozenset({"year", "years", "month", "months"})


_FARTHEST = 400  # more than this many digits before or after the point are never meant


class Prim:
    """A primitive with an id or extensions, and perhaps no value."""

    __slots__ = ("sibling", "value")

    def __init__(self, value: Any, sibling: Any):
        self.value = value
        self.sibling = sibling


class Node:
    """JSON with the type that it has."""

    __slots__ = ("sibling", "type", "value")

    def __init__(self, value: Any, kind: Type, sibling: Any = None):
        self.value = value
        self.type = kind
        self.sibling = sibling


@dataclass(frozen=True, slots=True)
class Info:
    """What ``type()`` answers."""

    namespace: str
    name: str


def system_type(value: Any) -> Type:
    """FHIRPath's type of a value of its own."""
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, str):
        return STRING
    if isinstance(value, int):
        return INTEGER
    if isinstance(value, Temporal):
        return _TEMPORAL[value.kind]
    if isinstance(value, Info):
        return INFO
    return QUANTITY if isinstance(value, Quantity) else DECIMAL


def number(value: Any) -> Any:
    """A JSON number that is exact: a float is what its shortest text says.

    Raises EvaluationError for one so large or small that computing with it takes no end.
    """
    exact = Decimal(repr(value)) if type(value) is float else value
    if type(exact) is Decimal and abs(exact.adjusted()) > _FARTHEST:
        raise EvaluationError("a number beyond measure")
    return exact


def _decimal(value: Any) -> Any:
    if type(value) is int or type(value) is float:
        return Decimal(repr(value))
    return value


def _moment(kind: str) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        return (temporal.read(value, kind) or value) if type(value) is str else value

    return convert


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "decimal": _decimal,
    "date": _moment("date"),
    "dateTime": _moment("dateTime"),
    "time": _moment("time"),
}


def converter(category: str) -> Callable[[Any], Any] | None:
    """What makes a FHIRPath value of a primitive of that category; None where nothing must."""
    return _CONVERT.get(category)


def plain(item: Any) -> Any:
    """The FHIRPath value of a primitive, None where it has none; other items as they are."""
    kind = type(item)
    if kind is Node:
        category = item.type.category
        if not category:
            return item
        convert = _CONVERT.get(category)
        return item.value if convert is None or item.value is None else convert(item.value)
    return item.value if kind is Prim else item


def text(item: Any) -> str | None:
    """An item as a string, as ``toString()`` gives it."""
    value = plain(item)
    if type(value) is str or value is None:
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}" if abs(value.adjusted()) <= _FARTHEST else str(value)
    if isinstance(value, Node):
        quantity = as_quantity(value)
        if quantity is None:  # no form is laid down; HL7's engine gives one that is never empty
            return f"{value.type.code}[{len(value.value)} children]"
        return str(quantity)
    return str(value)


def as_quantity(item: Any) -> Quantity | None:
    """The quantity that an item is, if it is one with a value."""
    if isinstance(item, Quantity):
        return item
    if type(item) is not Node or "Quantity" not in item.type.ancestors:
        return None
    return read_fhir_quantity(item.value)


def read_fhir_quantity(value: Any) -> Quantity | None:
    """A FHIR Quantity's value and unit: UCUM's code, else the code with its system, or the unit."""
    held = number(value.get("value"))
    if isinstance(held, bool) or not isinstance(held, (int, Decimal)):
        return None
    code, system = value.get("code"), value.get("system")
    if system == UCUM and code:
        return Quantity(Decimal(held), code)
    unit = f"{system}|{code}" if code else value.get("unit")
    return Quantity(Decimal(held), unit if isinstance(unit, str) else "1")


def equal(left: Any, right: Any) -> bool | None:
    """``=`` of two items of any kind; None when precision leaves it open."""
    one, other = plain(left), plain(right)
    if one is None or other is None:
        return one is other and deep(left) == deep(right)
    if type(one) is str and type(other) is str:
        return one == other
    if isinstance(one, (Node, Quantity)) or isinstance(other, (Node, Quantity)):
        return _objects_equal(one, other)
    if isinstance(one, Temporal) and isinstance(other, Temporal):
        return temporal.equal(one, other)
    if _is_number(one) and _is_number(other):
        return bool(number(one) == number(other))
    return text(one) == text(other)


def filled(value: Any) -> bool:
    """Whether JSON holds any value: HL7's engine takes an object that holds none for absent."""
    if type(value) is dict:
        return any(filled(inner) for inner in value.values())
    if type(value) is list:
        return any(filled(inner) for inner in value)
    return value is not None


def deep(item: Any) -> Any:
    """The JSON of an item with its id and extensions."""
    if type(item) is Node or type(item) is Prim:
        return (item.value, item.sibling)
    return item


def _objects_equal(one: Any, other: Any) -> bool | None:
    first, second = as_quantity(one), as_quantity(other)
    if first is not None and second is not None:
        return _quantities_equal(first, second)
    if isinstance(one, Node) and isinstance(other, Node):
        return bool(one.value == other.value)
    return False


def _quantities_equal(one: Quantity, other: Quantity) -> bool | None:
    if one.unit == other.unit:
        return one.value == other.value
    if {one.unit, other.unit} & _CALENDAR_ONLY:
        return None  # a calendar's year or month is no fixed time
    first, second = measure(one), measure(other)
    if first is None or second is None:
        return None
    return first == second


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def order(left: Any, right: Any, operator: str = "") -> int | None:
    """-1, 0 or 1; None when precision leaves it open, or there is no value.

    With an operator, quantities compare as HL7's engine has it for that one: in base units,
    whatever they measure. Raises EvaluationError for items of kinds that have no order.
    """
    one, other = plain(left), plain(right)
    if one is None or other is None:
        return None
    if (type(one) is str and type(other) is str) or (_is_number(one) and _is_number(other)):
        one, other = number(one), number(other)
        return int(one > other) - int(one < other)
    if isinstance(one, Temporal) and isinstance(other, Temporal):
        if (one.kind == "time") == (other.kind == "time"):
            return temporal.compare(one, other)
    elif isinstance(one, (Node, Quantity)) and isinstance(other, (Node, Quantity)):
        return _order_of_quantities(one, other, operator)
    raise EvaluationError(f"{_kind(one)} and {_kind(other)} have no order")


def _order_of_quantities(left: Any, right: Any, operator: str) -> int | None:
    both = isinstance(left, Node) and isinstance(right, Node)
    if both and _same_unit(left, right, operator):
        return order(left.value.get("value"), right.value.get("value"))
    one, other = as_quantity(left), as_quantity(right)
    if one is None or other is None:
        return None
    if not both and one.unit == other.unit:
        return (one.value > other.value) - (one.value < other.value)
    first, second = measure(one), measure(other)
    if first is None or second is None:
        raise EvaluationError(f"{one} and {other} have no common measure")
    if first[1] != second[1] and not operator:
        return None
    return (first[0] > second[0]) - (first[0] < second[0])


def _same_unit(left: Node, right: Node, operator: str) -> bool:
    """Whether two quantities are in one unit.

    For HL7's engine ``<`` goes by the code, the others by the text of the unit; ``<=`` fails where
    only the first has none.
    """
    key = "unit" if operator in ("<=", ">", ">=") else "code"
    first, second = left.value.get(key), right.value.get(key)
    if operator == "<=" and first is None and second is not None:
        raise EvaluationError("a quantity without unit")
    return bool(first == second)


def _kind(value: Any) -> str:
    return value.type.name if isinstance(value, Node) else type(value).__name__


def equivalent(left: Any, right: Any) -> bool:
    """``~`` of two items: case, white space, precision and order do not count."""
    one, other = plain(left), plain(right)
    if one is None or other is None:
        return one is other
    if isinstance(one, (Node, Quantity)) or isinstance(other, (Node, Quantity)):
        return _objects_equivalent(one, other)
    if isinstance(one, Temporal) and isinstance(other, Temporal):
        return temporal.equal(one, other) is True
    if _is_number(one) and _is_number(other):
        return _rounded_equal(number(one), number(other))
    first, second = text(one), text(other)
    return first is not None and second is not None and _folded(first) == _folded(second)


def _folded(value: str) -> str:
    return " ".join(value.lower().split())


def _rounded_equal(one: Any, other: Any) -> bool:
    if type(one) is int and type(other) is int:
        return bool(one == other)
    first, second = Decimal(one), Decimal(other)
    least = max(min(int(first.as_tuple().exponent), 0), min(int(second.as_tuple().exponent), 0))
    step = Decimal(1).scaleb(least)
    return bool(first.quantize(step) == second.quantize(step))


def _objects_equivalent(one: Any, other: Any) -> bool:
    first, second = as_quantity(one), as_quantity(other)
    if first is not None and second is not None:
        return _quantities_equivalent(first, second)
    if isinstance(one, Node) and isinstance(other, Node):
        return bool(_loose(one.value) == _loose(other.value))
    return False


def _quantities_equivalent(one: Quantity, other: Quantity) -> bool:
    if one.unit == other.unit:
        return _rounded_equal(one.value, other.value)
    first, second = measure(one), measure(other)
    if first is None or second is None or first[1] != second[1]:
        return False
    factor = Fraction(one.value) / first[0] if first[0] else Fraction(1)
    in_unit = second[0] * factor  # the other quantity in the unit of the first
    shown = Decimal(in_unit.numerator) / Decimal(in_unit.denominator)
    return _rounded_equal(one.value, shown)


def _loose(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _loose(inner) for key, inner in value.items() if key != "id"}
    if isinstance(value, list):
        return sorted((_loose(inner) for inner in value), key=repr)
    return _folded(value) if isinstance(value, str) else value


def all_equivalent(left: list[Any], right: list[Any]) -> bool:
    """``~`` of two collections, in any order."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for one in left:
        for at, other in enumerate(rest):
            if equivalent(one, other):
                del rest[at]
                break
        else:
            return False
    return True


def all_equal(left: list[Any], right: list[Any]) -> bool | None:
    """``=`` of two collections, neither of them empty."""
    if len(left) != len(right):
        return False
    answer: bool | None = True
    for one, other in zip(left, right, strict=True):
        same = equal(one, other)
        if same is False:
            return False
        if same is None:
            answer = None
    return answer


def all_differ(left: list[Any], right: list[Any]) -> bool | None:
    """``!=`` of two collections, neither of them empty: as HL7 has it, no pair is equal."""
    if len(left) != len(right):
        return True
    pairs = [equal(one, other) for one, other in zip(left, right, strict=True)]
    return False if True in pairs else None if None in pairs else True


def strings(items: Iterable[Any]) -> list[str] | None:
    """The items as plain strings, when that is what all of them are."""
    found = [plain(item) for item in items]
    return found if all(type(value) is str for value in found) else None


def contains(items: list[Any], wanted: Any) -> bool:
    """Whether an item equals the wanted one."""
    return any(equal(item, wanted) for item in items)


def distinct(items: list[Any]) -> list[Any]:
    """The first of all that are equal."""
    if len(items) < 2:
        return items
    texts = strings(items)
    if texts is not None:
        firsts = dict(zip(reversed(texts), reversed(items), strict=True))
        return [firsts[one] for one in dict.fromkeys(texts)]
    found: list[Any] = []
    for item in items:
        if not contains(found, item):
            found.append(item)
    return found


def are_distinct(items: list[Any]) -> bool | None:
    """Whether no two items are equal; None when precision leaves it open."""
    if len(items) < 2:
        return True
    texts = strings(items)
    if texts is not None:
        return len(set(texts)) == len(texts)
    answer: bool | None = True
    for at, item in enumerate(items):
        for other in items[at + 1 :]:
            same = equal(item, other)
            if same is None:
                return None
            if same:
                answer = False
    return answer


def is_subset(items: list[Any], of: list[Any]) -> bool:
    """Whether each item is among the others."""
    texts, others = strings(items), strings(of)
    if texts is not None and others is not None:
        return set(texts) <= set(others)
    return all(contains(of, item) for item in items)
