"""From syntax to closures.

Types that the definitions tell while compiling choose the closure: a comparison of two strings is
one of Python's, a step of a path one look-up. What is only known while running is carried by nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from adapter.validation.fhirpath import functions
from adapter.validation.fhirpath.arithmetic import OPERATORS, negative
from adapter.validation.fhirpath.code import (
    NOTHING,
    Code,
    boolean,
    constant,
    one_of,
    only_of,
    single,
)
from adapter.validation.fhirpath.errors import EvaluationError, NotEvaluated
from adapter.validation.fhirpath.paths import Paths
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
from adapter.validation.fhirpath.types import (
    DECIMAL,
    INTEGER,
    STRING,
    Type,
    Types,
)
from adapter.validation.fhirpath.values import (
    Node,
    all_differ,
    all_equal,
    all_equivalent,
    contains,
    converter,
    distinct,
    equal,
    order,
    plain,
    system_type,
)

_CONSTANTS = {
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "ucum": "http://unitsofmeasure.org",
    "us-zip": "[0-9]{5}(-[0-9]{4}){0,1}",
}
_FAMILIES = {
    "vs-": "http://hl7.org/fhir/ValueSet/",
    "cs-": "http://hl7.org/fhir/",
    "ext-": "http://hl7.org/fhir/StructureDefinition/",
}
_ORDERS: dict[str, Callable[[int], bool]] = {
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
}


@dataclass(frozen=True)
class Scope:
    """What names mean where an expression stands."""

    focus: Code  # $this, and where paths begin
    resource: Type  # of %resource
    context: Type | None  # of %context
    total: Type | None = None

    def at(self, kind: Type | None) -> Scope:
        """The scope within a function that visits items one by one."""
        return replace(self, focus=focus(kind))


def focus(kind: Type | None) -> Code:
    """The code of the item under evaluation."""
    return Code(lambda v, _r: [v], kind, lambda v, _r: v, focus=True)


class Compiler:
    """Compiles expressions with the types of one release.

    ``strict``, it refuses what the types say can never be, as FHIRPath's strict mode does.
    ``as_hl7``, operators answer as those of HL7's validator do, where that is not FHIRPath's way.
    """

    def __init__(self, types: Types, strict: bool = False, as_hl7: bool = False):
        self.types = types
        self.strict = strict
        self.as_hl7 = as_hl7
        self.singletons = strict or types.definitions.release == "R5"  # of ``as``
        self.paths = Paths(types, strict)
        self.needs_run = False  # the expression says %context, $index, $total or a variable

    def compile(self, node: Syntax, scope: Scope) -> Code:
        """The closures of an expression."""
        match node:
            case Literal(value):
                return constant([value], system_type(value))
            case Empty():
                return constant([], None)
            case Name(name):
                return self._start(name, scope)
            case Variable(name):
                return self._variable(name, scope)
            case External(name):
                return self._external(name, scope)
            case Call(name, arguments):
                return functions.call(self, name, scope.focus, arguments, scope)
            case Member(owner, member):
                return self._member(self.compile(owner, scope), member, scope)
            case Item(owner, index):
                return self._item(self.compile(owner, scope), self.compile(index, scope))
            case Unary(operator, operand):
                return self._signed(operator, self.compile(operand, scope))
            case OfType("is", operand, name):
                return functions.is_type(self, self.compile(operand, scope), name, operator=True)
            case OfType(_, operand, name):
                return functions.as_type(self, self.compile(operand, scope), name)
            case Binary(operator, left, right):
                first, second = self.compile(left, scope), self.compile(right, scope)
                return self.folded(self._binary(operator, first, second), first, second)

    def folded(self, code: Code, *parts: Code) -> Code:
        """A code of constants as the constant it gives."""
        if not all(part.constant for part in parts):
            return code
        try:
            return constant(code.items(None, None), code.type)
        except EvaluationError:
            return code  # said when it is evaluated

    # -- where paths begin -------------------------------------------------------------------------

    def _start(self, name: str, scope: Scope) -> Code:
        origin = scope.focus
        kind = origin.type
        if name[:1].isupper():
            if kind is None or (kind.abstract and name not in kind.ancestors):
                return self._if_named(origin, name)
            if name in kind.ancestors:
                return origin
        return self.paths.step(origin, name)

    def _if_named(self, origin: Code, name: str) -> Code:
        items = self.paths.free(origin).items
        named = self.types.get(name)
        resource = named is not None and named.resource and not named.abstract
        found = Code(
            lambda v, r: [
                node for node in items(v, r) if type(node) is Node and name in node.type.ancestors
            ],
            None,
        )
        return functions.typed(found, named) if resource else found

    def _variable(self, name: str, scope: Scope) -> Code:
        if name == "$this":
            return scope.focus
        self.needs_run = True
        if name == "$index":
            return single(lambda _v, r: r.index, INTEGER)
        return Code(lambda _v, r: r.total, scope.total)

    def _external(self, name: str, scope: Scope) -> Code:
        if name == "resource":
            return single(lambda _v, r: r.resource, scope.resource)
        if name == "rootResource":
            return single(lambda _v, r: r.root, self.types.any_resource)
        if name == "context":
            self.needs_run = True
            return single(lambda _v, r: r.context, scope.context)
        if name in _CONSTANTS:
            return constant([_CONSTANTS[name]], STRING)
        for prefix, base in _FAMILIES.items():
            if name.startswith(prefix):
                return constant([base + name.removeprefix(prefix)], STRING)
        self.needs_run = True
        wrap, strict = self.wrap, self.strict

        def given(_v: Any, r: Any) -> list[Any]:
            if name in r.defined:
                found: list[Any] = r.defined[name]
                return found
            if name not in r.variables:
                if strict:
                    raise NotEvaluated(f"%{name} is unknown")
                return NOTHING  # as HL7's validator has it
            held = r.variables[name]
            return [wrap(one) for one in held] if isinstance(held, list) else [wrap(held)]

        return Code(given, None)

    def wrap(self, value: Any) -> Any:
        """A JSON object with its type; other values as they are."""
        if isinstance(value, dict):
            return Node(value, self.types.needed(value.get("resourceType", "Element")))
        return value

    # -- members, items, signs ---------------------------------------------------------------------

    def _member(self, owner: Code, member: Name | Call | Variable, scope: Scope) -> Code:
        if isinstance(member, Name):
            return self.paths.step(owner, member.name)
        if isinstance(member, Call):
            return functions.call(self, member.name, owner, member.arguments, scope)
        raise NotEvaluated(f"{member.name} stands after a dot")

    def _item(self, owner: Code, index: Code) -> Code:
        items, at = owner.items, one_of(index, "an index")

        def pick(v: Any, r: Any) -> Any:
            found, wanted = items(v, r), plain(at(v, r))
            return found[wanted] if type(wanted) is int and 0 <= wanted < len(found) else None

        return single(pick, owner.type)

    def _signed(self, operator: str, operand: Code) -> Code:
        one, positive = one_of(operand, operator), operator == "+"
        convert = self.to_value(operand.type)

        def signed(v: Any, r: Any) -> Any:
            value = convert(one(v, r))
            return value if positive and value is not None else negative(value)

        return self.folded(single(signed, _arithmetic_type(operand.type)), operand)

    # -- operators ---------------------------------------------------------------------------------

    def _binary(self, operator: str, left: Code, right: Code) -> Code:
        if operator in _LOGIC:
            return boolean(_LOGIC[operator](left, right))
        if operator in ("=", "!="):
            return boolean(self._equality(left, right, operator == "="))
        if operator in ("~", "!~"):
            first, second = self.values(left), self.values(right)
            wanted = operator == "~"
            return boolean(lambda v, r: all_equivalent(first(v, r), second(v, r)) is wanted)
        if operator in _ORDERS:
            return boolean(self._ordering(operator, left, right))
        if operator == "|":
            return self.union(left, right)
        if operator in ("in", "contains"):
            return boolean(
                self._membership(*((left, right) if operator == "in" else (right, left)))
            )
        return self._arithmetic(operator, left, right)

    def values(self, code: Code) -> Callable[[Any, Any], list[Any]]:
        """The items of a code as values that compare with any other."""
        if code.type is not None and (code.type.system or code.type.category == "string"):
            return code.items
        if code.type is None:
            return code.items
        if not code.type.category:
            return self.paths.free(code).items
        items, convert = code.items, self.to_value(code.type)
        return lambda v, r: [convert(item) for item in items(v, r)]

    def to_value(self, kind: Type | None) -> Callable[[Any], Any]:
        """What makes an item of a type one that compares with any other."""
        if kind is None:
            return plain
        if not kind.category:
            wrap = self.paths.wrapper(kind)
            return lambda item: None if item is None else wrap(item)
        convert = converter(kind.category)
        if convert is None or kind.system:
            return plain
        return lambda item: convert(plain(item))

    def _equality(self, left: Code, right: Code, wanted: bool) -> functions.Truth:
        if left.one is not None and right.one is not None:
            if _category(left) == "string" == _category(right):
                return _string_equality(left, right, wanted)
            if _category(left) == "boolean" == _category(right):
                return _boolean_equality(left, right, wanted)
            one, other = left.one, right.one
            first, second = self.to_value(left.type), self.to_value(right.type)

            def compare(v: Any, r: Any) -> bool | None:
                x = one(v, r)
                y = None if x is None else other(v, r)
                if x is None or y is None:
                    return None
                same = equal(first(x), second(y))
                return None if same is None else same is wanted

            return compare
        these, those = self.values(left), self.values(right)

        def compare_all(v: Any, r: Any) -> bool | None:
            found, others = these(v, r), those(v, r)
            if not found or not others:
                return None
            return all_equal(found, others) if wanted else all_differ(found, others)

        return compare_all

    def _ordering(self, operator: str, left: Code, right: Code) -> functions.Truth:
        one, other = only_of(left), only_of(right)
        first, second = self.to_value(left.type), self.to_value(right.type)
        judge = _ORDERS[operator]
        as_hl7 = operator if self.as_hl7 else ""
        # HL7's engine knows no less than among the whole numbers that are never negative
        unordered = as_hl7 == "<" and (_is_natural(left) or _is_natural(right))

        def compare(v: Any, r: Any) -> bool | None:
            x = one(v, r)
            y = None if x is None else other(v, r)
            if x is None or y is None:
                return None
            if unordered:
                raise EvaluationError("a number of a kind that has no order")
            sign = order(first(x), second(y), as_hl7)
            return None if sign is None else judge(sign)

        if _category(left) == _category(right) and _category(left) in ("date", "dateTime"):
            return _date_ordering(one, other, operator, compare)
        return compare

    def union(self, left: Code, right: Code) -> Code:
        """``|``: all items of both, each once."""
        if left.type is right.type:
            first, second, kind = left.items, right.items, left.type
            if kind is not None and not kind.category:
                free, other = self.paths.free(left).items, self.paths.free(right).items
                return Code(lambda v, r: distinct([*free(v, r), *other(v, r)]), None)
        else:
            first, second, kind = self.paths.free(left).items, self.paths.free(right).items, None
        return self.folded(
            Code(lambda v, r: distinct([*first(v, r), *second(v, r)]), kind), left, right
        )

    def _membership(self, wanted: Code, among: Code) -> functions.Truth:
        one = one_of(wanted, "in")
        if among.constant and _category(wanted) == "string" == _category(among):
            texts = frozenset(plain(item) for item in among.items(None, None))

            def is_text(v: Any, r: Any) -> bool | None:
                found = one(v, r)
                return None if found is None else plain(found) in texts

            return is_text
        these, convert = self.values(among), self.to_value(wanted.type)

        def is_among(v: Any, r: Any) -> bool | None:
            found = one(v, r)
            return None if found is None else contains(these(v, r), convert(found))

        return is_among

    def _arithmetic(self, operator: str, left: Code, right: Code) -> Code:
        one, other = one_of(left, operator), one_of(right, operator)
        first, second = self.to_value(left.type), self.to_value(right.type)
        apply = OPERATORS[operator]
        texts = operator == "&"

        def calculate(v: Any, r: Any) -> Any:
            x, y = one(v, r), other(v, r)
            x, y = None if x is None else first(x), None if y is None else second(y)
            if not texts and (x is None or y is None):
                return None
            return apply(x, y)

        kind = _arithmetic_type(left.type)
        if _arithmetic_type(right.type) is not kind or operator == "/":
            kind = STRING if texts else None
        return single(calculate, STRING if texts else kind)


def _arithmetic_type(kind: Type | None) -> Type | None:
    if kind is None:
        return None
    return {"string": STRING, "integer": INTEGER, "decimal": DECIMAL}.get(kind.category)


def _category(code: Code) -> str:
    return "" if code.type is None else code.type.category


def _is_natural(code: Code) -> bool:
    return code.type is not None and code.type.name in ("positiveInt", "unsignedInt")


def _string_equality(left: Code, right: Code, wanted: bool) -> functions.Truth:
    if left.constant:
        left, right = right, left
    one, other = left.one, right.one
    assert one is not None  # noqa: S101 - the caller asked
    assert other is not None  # noqa: S101 - the caller asked
    if right.constant and (text := other(None, None)) is not None:

        def is_text(v: Any, r: Any) -> bool | None:
            x = one(v, r)
            if type(x) is not str:
                x = plain(x)
                if x is None:
                    return None
            return (x == text) is wanted

        return is_text

    def compare(v: Any, r: Any) -> bool | None:
        x = plain(one(v, r))
        y = None if x is None else plain(other(v, r))
        return None if y is None else (x == y) is wanted

    return compare


def _boolean_equality(left: Code, right: Code, wanted: bool) -> functions.Truth:
    first, second = left.truth, right.truth

    def compare(v: Any, r: Any) -> bool | None:
        x = first(v, r)
        y = None if x is None else second(v, r)
        return None if y is None else (x is y) is wanted

    return compare


def _date_ordering(
    one: functions.One, other: functions.One, operator: str, general: functions.Truth
) -> functions.Truth:
    judge = _ORDERS[operator]

    def compare(v: Any, r: Any) -> bool | None:
        x, y = one(v, r), other(v, r)
        if x is None or y is None:
            return None
        # texts of one form in one zone stand in the order of time
        same = type(x) is str and type(y) is str and (size := len(x)) == len(y)
        if same and (size == 10 or (size > 18 and x[-1] == "Z" == y[-1])):
            return judge((x > y) - (x < y))
        return general(v, r)

    return compare


def _and(left: Code, right: Code) -> functions.Truth:
    first, second = left.truth, right.truth

    def both(v: Any, r: Any) -> bool | None:
        x = first(v, r)
        if x is False:
            return False
        y = second(v, r)
        if y is False:
            return False
        return None if x is None or y is None else True

    return both


def _or(left: Code, right: Code) -> functions.Truth:
    first, second = left.truth, right.truth

    def either(v: Any, r: Any) -> bool | None:
        x = first(v, r)
        if x is True:
            return True
        y = second(v, r)
        if y is True:
            return True
        return None if x is None or y is None else False

    return either


def _xor(left: Code, right: Code) -> functions.Truth:
    first, second = left.truth, right.truth

    def differ(v: Any, r: Any) -> bool | None:
        x, y = first(v, r), second(v, r)
        return None if x is None or y is None else x is not y

    return differ


def _implies(left: Code, right: Code) -> functions.Truth:
    first, second = left.truth, right.truth

    def follows(v: Any, r: Any) -> bool | None:
        x = first(v, r)
        if x is False:
            return True
        y = second(v, r)
        if y is True:
            return True
        return None if x is None or y is None else False

    return follows


_LOGIC: dict[str, Callable[[Code, Code], functions.Truth]] = {
    "and": _and,
    "or": _or,
    "xor": _xor,
    "implies": _implies,
}
