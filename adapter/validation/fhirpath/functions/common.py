"""What the functions are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from adapter.validation.fhirpath.code import Code, Truth, one_of, single
from adapter.validation.fhirpath.errors import NotEvaluated
from adapter.validation.fhirpath.syntax import (
    Binary,
    Call,
    Item,
    Member,
    OfType,
    Syntax,
    Unary,
    Variable,
)
from adapter.validation.fhirpath.types import Type
from adapter.validation.fhirpath.values import plain

if TYPE_CHECKING:
    from adapter.validation.fhirpath.compiler import Compiler, Scope

    Build = Callable[[Compiler, Code, tuple[Syntax, ...], Scope], Code]
    Function = tuple[int, int, Build]  # how many arguments it takes at least and at most


def nested(node: Syntax) -> Iterator[Syntax]:
    """A node of the syntax and all below it."""
    yield node
    parts: tuple[Syntax, ...] = ()
    match node:
        case Call(_, arguments):
            parts = arguments
        case Member(owner, member):
            parts = (owner, member)
        case Item(owner, index):
            parts = (owner, index)
        case Unary(_, operand) | OfType(_, operand, _):
            parts = (operand,)
        case Binary(_, left, right):
            parts = (left, right)
    for part in parts:
        yield from nested(part)


def uses_index(node: Syntax) -> bool:
    """Whether ``$index`` stands in an expression."""
    return any(isinstance(one, Variable) and one.name == "$index" for one in nested(node))


def value_of(
    compiler: Compiler, argument: Syntax, scope: Scope, what: str
) -> Callable[[Any, Any], Any]:
    """The FHIRPath value of an argument, None when it is empty."""
    code = compiler.compile(argument, scope)
    if code.constant:
        found = [plain(item) for item in code.items(None, None)]
        if len(found) <= 1:
            only = found[0] if found else None
            return lambda _v, _r: only
    one, convert = one_of(code, what), compiler.to_value(code.type)
    return lambda v, r: convert(one(v, r))


def on_one(
    compiler: Compiler,
    source: Code,
    what: str,
    apply: Callable[[Any], Any],
    kind: Type | None,
) -> Code:
    """The code of a function of one value; empty for an empty input."""
    one, convert = one_of(source, what), compiler.to_value(source.type)

    def result(v: Any, r: Any) -> Any:
        value = convert(one(v, r))
        return None if value is None else apply(value)

    code = single(result, kind)
    return compiler.folded(code, source)


def criterion(compiler: Compiler, source: Code, argument: Syntax, scope: Scope) -> Truth:
    """The truth of an expression that is asked of each item."""
    code = compiler.compile(argument, scope.at(source.type))
    if compiler.strict and code.type is not None and code.type.category != "boolean":
        raise NotEvaluated("a criterion must be a boolean")
    truth = code.truth
    if not uses_index(argument):
        return truth

    def indexed(v: Any, r: Any) -> bool | None:
        answer = truth(v, r)
        r.index += 1
        return answer

    return indexed
