"""Functions of collections: existence, filters, parts, combinations.

https://hl7.org/fhirpath/N1/#existence
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

from adapter.validation.fhirpath.code import (
    NOTHING,
    Code,
    One,
    Truth,
    boolean,
    one_of,
    single,
)
from adapter.validation.fhirpath.errors import EvaluationError, NotEvaluated
from adapter.validation.fhirpath.functions.common import (
    criterion,
    uses_index,
    value_of,
)
from adapter.validation.fhirpath.syntax import Syntax, Unary, Variable
from adapter.validation.fhirpath.types import INTEGER, Type
from adapter.validation.fhirpath.values import (
    Node,
    are_distinct,
    contains,
    deep,
    distinct,
    filled,
    is_subset,
    order,
    plain,
)

if TYPE_CHECKING:
    from adapter.validation.fhirpath.compiler import Compiler, Scope
    from adapter.validation.fhirpath.functions.common import Function

Arguments = tuple[Syntax, ...]


# -- existence -------------------------------------------------------------------------------------


def _presence(compiler: Compiler, source: Code, wanted: bool) -> Code:
    if source.choice is not None:
        owner, element = source.choice
        if owner.one is not None:
            keys = frozenset(k for key in element.choices for k in (key, f"_{key}"))
            return boolean(_key_presence(owner, keys, wanted))
    return compiler.folded(boolean(_content_presence(source, wanted)), source)


def _content_presence(source: Code, wanted: bool) -> Truth:
    one, items, kind = source.one, source.items, source.type
    if kind is not None and kind.category:
        if one is None:
            return (lambda v, r: bool(items(v, r))) if wanted else (lambda v, r: not items(v, r))
        if wanted:
            return lambda v, r: one(v, r) is not None
        return lambda v, r: one(v, r) is None
    if one is None:
        return lambda v, r: any(map(_is_filled, items(v, r))) is wanted

    def present(v: Any, r: Any) -> bool:
        value = one(v, r)
        return (value is not None and _is_filled(value)) is wanted

    return present


def _is_filled(item: Any) -> bool:
    if type(item) is dict:
        for value in item.values():  # the first is nearly always enough
            return type(value) is str or filled(item)
        return False
    return type(item) is not Node or filled(item.value) or filled(item.sibling)


def _key_presence(owner: Code, keys: frozenset[str], wanted: bool) -> Truth:
    absent, one = keys.isdisjoint, owner.one

    def there(value: Any) -> bool:
        return not absent(value) and any(
            _is_filled(value[key]) for key in value if key in keys and value[key] is not None
        )

    if owner.focus:
        if wanted:
            return lambda v, _r: there(v)
        return lambda v, _r: absent(v) or not there(v)
    assert one is not None  # noqa: S101 - the caller asked
    only = one

    def present(v: Any, r: Any) -> bool:
        value = only(v, r)
        return (value is not None and there(value)) is wanted

    return present


def _empty(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    return _presence(compiler, source, False)


def _exists(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    if not arguments:
        return _presence(compiler, source, True)
    items, test = source.items, criterion(compiler, source, arguments[0], scope)

    def exists(v: Any, r: Any) -> bool:
        for item in items(v, r):  # noqa: SIM110 - any() with a generator costs twice as much
            if test(item, r):
                return True
        return False

    return boolean(_counting(exists) if uses_index(arguments[0]) else exists)


def _counting(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A function whose criterion counts its items, inside others that may do so too."""

    def counted(v: Any, r: Any) -> Any:
        before, r.index = r.index, 0
        found = function(v, r)
        r.index = before
        return found

    return counted


def _not(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    truth_of = source.truth

    def opposite(v: Any, r: Any) -> bool | None:
        found = truth_of(v, r)
        return None if found is None else not found

    return compiler.folded(boolean(opposite), source)


def _all(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    items, test = source.items, criterion(compiler, source, arguments[0], scope)

    def every(v: Any, r: Any) -> bool:
        for item in items(v, r):  # noqa: SIM110 - all() with a generator costs twice as much
            if not test(item, r):
                return False
        return True

    return boolean(_counting(every) if uses_index(arguments[0]) else every)


def _quantifier(decisive: bool, default: bool, answer: bool) -> Function:
    def build(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
        if arguments:
            selected = _select(compiler, source, arguments, scope)
            return build(compiler, selected, (), scope)
        items = source.items

        def judge(v: Any, r: Any) -> bool:
            for item in items(v, r):
                value = plain(item)
                if value is not None and not isinstance(value, bool):
                    raise EvaluationError("booleans are wanted")
                if value is decisive:
                    return answer
            return default

        return boolean(judge)

    return 0, 1, build


# -- filters and projections -----------------------------------------------------------------------


def _where(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    items, test = source.items, criterion(compiler, source, arguments[0], scope)

    def kept(v: Any, r: Any) -> list[Any]:
        return [item for item in items(v, r) if test(item, r)]

    return Code(_counting(kept) if uses_index(arguments[0]) else kept, source.type)


def _select(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    items = source.items
    code = compiler.compile(arguments[0], scope.at(source.type))
    inner = code.items
    if uses_index(arguments[0]):

        def numbered(v: Any, r: Any) -> list[Any]:
            found: list[Any] = []
            for number, item in enumerate(items(v, r)):
                r.index = number
                found += inner(item, r)
            return found

        return Code(_counting(numbered), code.type)
    if code.one is not None:
        one = code.one
        return Code(
            lambda v, r: [x for item in items(v, r) if (x := one(item, r)) is not None], code.type
        )
    return Code(lambda v, r: [x for item in items(v, r) for x in inner(item, r)], code.type)


def _repeat(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    code = compiler.compile(arguments[0], scope.at(source.type))
    if code.type is not source.type:
        source = compiler.paths.free(source)
        code = compiler.paths.free(compiler.compile(arguments[0], scope.at(None)))
    items, inner = source.items, code.items

    def repeated(v: Any, r: Any) -> list[Any]:
        found: list[Any] = []
        seen: list[Any] = []
        level = items(v, r)
        while level:
            following: list[Any] = []
            for item in level:
                for one in inner(item, r):
                    if (known := deep(one)) not in seen:
                        seen.append(known)
                        found.append(one)
                        following.append(one)
            level = following
        return found

    return Code(repeated, code.type)


def _aggregate(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    compiler.needs_run = True
    items = source.items
    step = compiler.paths.free(compiler.compile(arguments[0], scope.at(source.type))).items
    start = compiler.compile(arguments[1], scope).items if len(arguments) > 1 else None

    def total(v: Any, r: Any) -> list[Any]:
        before, index = r.total, r.index
        r.total = NOTHING if start is None else start(v, r)
        for number, item in enumerate(items(v, r)):
            r.index = number
            r.total = step(item, r)
        found, r.total, r.index = r.total, before, index
        return found  # type: ignore[no-any-return]

    return Code(total, None)


def _iif(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    inner = scope if source.focus else scope.at(source.type)
    if source.one is None:  # the branches begin at what the input holds: nothing, or one item
        start = Code(lambda v, _r: v, source.type, lambda v, _r: v[0] if v else None)
        inner = replace(inner, focus=start)
    codes = [compiler.compile(argument, inner) for argument in arguments]
    test, branches = codes[0], codes[1:]
    if compiler.strict and test.type is not None and test.type.category != "boolean":
        raise NotEvaluated("the criterion of iif must be a boolean")
    kinds = {id(branch.type) for branch in branches if not _is_nothing(branch)}
    kind = next((b.type for b in branches if not _is_nothing(b)), None)
    if len(kinds) > 1:
        branches = [compiler.paths.free(branch) for branch in branches]
        kind = None
    ask, then = test.truth, branches[0].items
    other = branches[1].items if len(branches) > 1 else None
    items, one = source.items, source.one
    focus = source.focus

    def choose(v: Any, r: Any) -> list[Any]:
        if not focus:
            v = items(v, r) if one is None else one(v, r)
            if one is None and len(v) > 1:
                raise EvaluationError("iif wants one item")
        if ask(v, r):
            return then(v, r)
        return NOTHING if other is None else other(v, r)

    return Code(choose, kind)


def _is_nothing(code: Code) -> bool:
    return code.constant and not code.items(None, None)


def _trace(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    for argument in arguments[1:]:
        compiler.compile(argument, scope.at(source.type))
    return source


def _define(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    compiler.needs_run = True
    name = value_of(compiler, arguments[0], scope, "defineVariable")
    code = source
    if len(arguments) > 1:
        code = compiler.compile(arguments[1], scope.at(source.type))
    held, items, projected = compiler.paths.free(code).items, source.items, len(arguments) > 1

    def define(v: Any, r: Any) -> list[Any]:
        found = items(v, r)
        if projected:
            r.defined[name(v, r)] = [x for item in found for x in held(item, r)]
        else:
            r.defined[name(v, r)] = held(v, r)
        return found

    return Code(define, source.type)


# -- parts -----------------------------------------------------------------------------------------


def _ordered(compiler: Compiler, source: Code, what: str) -> None:
    if compiler.strict and not source.ordered:
        raise NotEvaluated(f"{what}() wants an order, that its input has not")


def _first(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    _ordered(compiler, source, "first")
    if source.one is not None:
        return source
    items = source.items

    def first(v: Any, r: Any) -> Any:
        found = items(v, r)
        return found[0] if found else None

    return single(first, source.type)


def _last(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    _ordered(compiler, source, "last")
    items = source.items

    def last(v: Any, r: Any) -> Any:
        found = items(v, r)
        return found[-1] if found else None

    return single(last, source.type)


def _single(_compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    return single(one_of(source, "single"), source.type)


def _tail(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    _ordered(compiler, source, "tail")
    items = source.items
    return Code(lambda v, r: items(v, r)[1:], source.type)


def _skip(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    _ordered(compiler, source, "skip")
    items, count = source.items, value_of(compiler, arguments[0], scope, "skip")
    return Code(lambda v, r: items(v, r)[max(0, count(v, r) or 0) :], source.type)


def _take(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    _ordered(compiler, source, "take")
    items, count = source.items, value_of(compiler, arguments[0], scope, "take")
    return Code(lambda v, r: items(v, r)[: max(0, count(v, r) or 0)], source.type)


def _count(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    if source.one is not None:
        one = source.one
        code = single(lambda v, r: 0 if one(v, r) is None else 1, INTEGER)
    else:
        items = source.items
        code = single(lambda v, r: len(items(v, r)), INTEGER)
    return compiler.folded(code, source)


def _distinct(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    code = _comparable(compiler, source)
    items = code.items
    return Code(lambda v, r: distinct(items(v, r)), code.type)


def _comparable(compiler: Compiler, source: Code) -> Code:
    """The input so that its items compare as they are."""
    kind = source.type
    if kind is None or kind.system or kind.category in _SIMPLE:
        return source
    return compiler.paths.free(source)


def _is_distinct(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    items = compiler.values(source)
    return boolean(lambda v, r: are_distinct(items(v, r)))


def _sort(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    inner = scope.at(source.type)
    keys: list[tuple[Callable[[Any, Any], Any], int]] = []
    for argument in arguments or (Variable("$this"),):
        argument, sign = _descending(argument)
        code = compiler.compile(argument, inner)
        one, convert = one_of(code, "sort"), compiler.to_value(code.type)
        keys.append((_key(one, convert), sign))
    items = source.items

    def ordered(v: Any, r: Any) -> list[Any]:
        rows = [([key(item, r) for key, _ in keys], item) for item in items(v, r)]

        def compare(left: Any, right: Any) -> int:
            for one, other, (_, sign) in zip(left[0], right[0], keys, strict=True):
                if one is None or other is None:
                    if one is not other:
                        return sign if one is None else -sign
                elif found := order(one, other):
                    return found * sign
            return 0

        return [item for _, item in sorted(rows, key=cmp_to_key(compare))]

    return Code(ordered, source.type)


def _key(one: One, convert: Callable[[Any], Any]) -> One:
    return lambda v, r: convert(one(v, r))


def _descending(argument: Syntax) -> tuple[Syntax, int]:
    """What to sort by, and -1 for the greatest first: a minus stands before the key."""
    if isinstance(argument, Unary) and argument.operator == "-":
        return argument.operand, -1
    return argument, 1


_SIMPLE = frozenset({"string", "boolean", "integer"})


# -- combinations ----------------------------------------------------------------------------------


def _compares_as_json(kind: Type) -> bool:
    if kind.category:
        return kind.category in _SIMPLE
    return "Quantity" not in kind.ancestors


def _pair(compiler: Compiler, source: Code, argument: Syntax, scope: Scope) -> tuple[Code, Code]:
    """The input and an argument, so that their items compare with each other."""
    other = compiler.compile(argument, scope)
    kind = source.type
    alike = kind is other.type and kind is not None and _compares_as_json(kind)
    if alike:
        return source, other
    return compiler.paths.free(source), compiler.paths.free(other)


def _union(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    return compiler.union(source, compiler.compile(arguments[0], scope))


def _combine(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    other = compiler.compile(arguments[0], scope)
    if source.type is not other.type:
        source, other = compiler.paths.free(source), compiler.paths.free(other)
    first, second = source.items, other.items
    return Code(lambda v, r: [*first(v, r), *second(v, r)], source.type)


def _intersect(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    left, right = _pair(compiler, source, arguments[0], scope)
    first, second, kind = left.items, right.items, left.type
    if kind is not None and not kind.category:

        def same(v: Any, r: Any) -> list[Any]:
            others = second(v, r)
            found: list[Any] = []
            for item in first(v, r) if others else ():
                if item in others and item not in found:
                    found.append(item)
            return found

        return Code(same, kind)

    def common(v: Any, r: Any) -> list[Any]:
        others = second(v, r)
        return distinct([item for item in first(v, r) if contains(others, item)])

    return Code(common, kind)


def _exclude(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    left, right = _pair(compiler, source, arguments[0], scope)
    first, second = compiler.paths.free(left).items, compiler.paths.free(right).items

    def rest(v: Any, r: Any) -> list[Any]:
        others = second(v, r)
        return [item for item in first(v, r) if not contains(others, item)]

    return Code(rest, None)


def _subset(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    left, right = _pair(compiler, source, arguments[0], scope)
    first, second = compiler.paths.free(left).items, compiler.paths.free(right).items
    return boolean(lambda v, r: is_subset(first(v, r), second(v, r)))


def _superset(compiler: Compiler, source: Code, arguments: Arguments, scope: Scope) -> Code:
    left, right = _pair(compiler, source, arguments[0], scope)
    first, second = compiler.paths.free(left).items, compiler.paths.free(right).items
    return boolean(lambda v, r: is_subset(second(v, r), first(v, r)))


def _coalesce(compiler: Compiler, _source: Code, arguments: Arguments, scope: Scope) -> Code:
    codes = [compiler.paths.free(compiler.compile(one, scope)).items for one in arguments]

    def first(v: Any, r: Any) -> list[Any]:
        return next((found for items in codes if (found := items(v, r))), NOTHING)

    return Code(first, None)


# -- trees -----------------------------------------------------------------------------------------


def _children(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    items, children = compiler.paths.free(source).items, compiler.paths.children
    return Code(
        lambda v, r: [child for item in items(v, r) for child in children(item)],
        None,
        ordered=False,
    )


def _descendants(compiler: Compiler, source: Code, _arguments: Arguments, _scope: Scope) -> Code:
    items, descendants = compiler.paths.free(source).items, compiler.paths.descendants
    return Code(lambda v, r: descendants(items(v, r)), None, ordered=False)


FUNCTIONS: dict[str, Function] = {
    "empty": (0, 0, _empty),
    "exists": (0, 1, _exists),
    "not": (0, 0, _not),
    "all": (1, 1, _all),
    "allTrue": _quantifier(False, True, False),
    "anyTrue": _quantifier(True, False, True),
    "allFalse": _quantifier(True, True, False),
    "anyFalse": _quantifier(False, False, True),
    "where": (1, 1, _where),
    "select": (1, 1, _select),
    "repeat": (1, 1, _repeat),
    "aggregate": (1, 2, _aggregate),
    "iif": (2, 3, _iif),
    "trace": (1, 2, _trace),
    "defineVariable": (1, 2, _define),
    "first": (0, 0, _first),
    "last": (0, 0, _last),
    "single": (0, 0, _single),
    "tail": (0, 0, _tail),
    "skip": (1, 1, _skip),
    "take": (1, 1, _take),
    "count": (0, 0, _count),
    "distinct": (0, 0, _distinct),
    "isDistinct": (0, 0, _is_distinct),
    "sort": (0, 99, _sort),
    "union": (1, 1, _union),
    "combine": (1, 2, _combine),
    "intersect": (1, 1, _intersect),
    "exclude": (1, 1, _exclude),
    "subsetOf": (1, 1, _subset),
    "supersetOf": (1, 1, _superset),
    "coalesce": (1, 99, _coalesce),
    "children": (0, 0, _children),
    "descendants": (0, 0, _descendants),
}
