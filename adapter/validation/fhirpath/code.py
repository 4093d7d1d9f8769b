"""A compiled expression: closures over a focus and what surrounds it.

``one`` gives the only item or None and stands for expressions that never give more; ``items`` gives
a list, that is never changed since it may be the JSON's own. Both take the focus and the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from adapter.validation.fhirpath.errors import EvaluationError
from adapter.validation.fhirpath.types import BOOLEAN, Element, Type
from adapter.validation.fhirpath.values import Node, Prim, plain

Resource = dict[str, Any]
Items = Callable[[Any, Any], list[Any]]
One = Callable[[Any, Any], Any]
Truth = Callable[[Any, Any], bool | None]
NOTHING: list[Any] = []


@dataclass
class Environment:
    """What surrounds the focus.

    ``resource`` is ``%resource``, ``root`` is ``%rootResource``. ``resolve`` answers a reference,
    ``member_of`` and ``conforms_to`` whether a value is in a value set or fits a profile (None
    where that is unknown); without them the functions of that name raise NotEvaluated.
    """

    resource: Resource
    root: Resource
    resolve: Callable[[str], Resource | None] | None = None
    member_of: Callable[[Any, str], bool | None] | None = None
    conforms_to: Callable[[Resource, str], bool | None] | None = None
    variables: dict[str, Any] = field(default_factory=dict)


class Run:
    """One evaluation of an expression that says ``%context``, ``$index`` or ``$total``."""

    __slots__ = (
        "conforms_to", "context", "defined", "index", "member_of", "resolve", "resource", "root",
        "total", "variables",
    )  # fmt: skip

    def __init__(self, environment: Environment, context: Any):
        self.resource = environment.resource
        self.root = environment.root
        self.resolve = environment.resolve
        self.member_of = environment.member_of
        self.conforms_to = environment.conforms_to
        self.variables = environment.variables
        self.context = context
        self.defined: dict[str, list[Any]] = {}
        self.index = 0
        self.total: list[Any] = NOTHING


@dataclass(slots=True)
class Code:
    """What an expression compiles to; without a ``type`` its items carry theirs."""

    items: Items
    type: Type | None
    one: One | None = None
    constant: bool = False
    focus: bool = False  # the focus itself
    choice: tuple[Code, Element] | None = None  # the owner of an element of several types
    ordered: bool = True

    @property
    def truth(self) -> Truth:
        """True, False or None for empty, as the operators of logic take it."""
        if self.type is BOOLEAN and self.one is not None:
            return self.one
        if self.one is not None:
            return _truth_of_one(self.one)
        return _truth_of_items(self.items)


def single(one: One, kind: Type | None, **more: Any) -> Code:
    """The code of an expression that gives at most one item."""

    def items(v: Any, r: Any) -> list[Any]:
        found = one(v, r)
        return NOTHING if found is None else [found]

    return Code(items, kind, one, **more)


def boolean(truth: Truth) -> Code:
    """The code of an expression that gives true, false or empty."""
    return single(truth, BOOLEAN)


def constant(found: list[Any], kind: Type | None) -> Code:
    """The code of a value that never changes."""
    if len(found) > 1:
        return Code(lambda _v, _r: found, kind, constant=True)
    value = found[0] if found else None
    return Code(lambda _v, _r: found, kind, lambda _v, _r: value, constant=True)


def truth(item: Any) -> bool | None:
    """What a single item is to the operators of logic: any that is no boolean is true."""
    if item is None or item is True or item is False:
        return item
    if type(item) is Prim and item.value is None:
        return None
    value = plain(item)
    if value is None:
        return None if _is_boolean(item) else True
    return value if isinstance(value, bool) else True


def _is_boolean(item: Any) -> bool:
    return type(item) is Node and item.type.category == "boolean"


def _truth_of_one(one: One) -> Truth:
    def answer(v: Any, r: Any) -> bool | None:
        found = one(v, r)
        if found is None or found is True or found is False:
            return found
        return truth(found)

    return answer


def _truth_of_items(items: Items) -> Truth:
    def answer(v: Any, r: Any) -> bool | None:
        found = items(v, r)
        if not found:
            return None
        if len(found) > 1:
            raise EvaluationError(f"a boolean is wanted, not {len(found)} items")
        return truth(found[0])

    return answer


def one_of(code: Code, what: str) -> One:
    """The only item of a code; more raise EvaluationError."""
    if code.one is not None:
        return code.one
    items = code.items

    def one(v: Any, r: Any) -> Any:
        found = items(v, r)
        if len(found) > 1:
            raise EvaluationError(f"{what} wants one item, not {len(found)}")
        return found[0] if found else None

    return one


def only_of(code: Code) -> One:
    """The only item of a code, None when there is not exactly one."""
    if code.one is not None:
        return code.one
    items = code.items

    def only(v: Any, r: Any) -> Any:
        found = items(v, r)
        return found[0] if len(found) == 1 else None

    return only
