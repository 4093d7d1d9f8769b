"""Expressions and invariants as functions of JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from adapter.validation.fhirpath.code import Code, Environment, Run
from adapter.validation.fhirpath.compiler import Compiler, Scope, focus
from adapter.validation.fhirpath.errors import EvaluationError
from adapter.validation.fhirpath.parser import parse
from adapter.validation.fhirpath.types import BOOLEAN, CATEGORIES, Definitions, Type, types_of
from adapter.validation.fhirpath.values import Node, Prim, plain

REPAIRS = Path(__file__).with_name("repairs.json")
# what JSON of another shape than the definitions raises in closures that are made for theirs
_MISSHAPEN = (
    AttributeError,
    TypeError,
    LookupError,
    ValueError,
    ArithmeticError,
    RecursionError,
)
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")
_DATE_TIME = re.compile(r"\d{4}(-\d\d(-\d\d(T.+)?)?)?")
_TIME = re.compile(r"\d\d:\d\d:\d\d(\.\d+)?")
_FORMS = {"date": _DATE, "dateTime": _DATE_TIME, "instant": _DATE_TIME, "time": _TIME}

Evaluation = Callable[[Any, Environment], list[Any]]
Invariant = Callable[[Any, Any, Environment], bool]


def compile_expression(
    text: str, definitions: Definitions, context: str | None, *, strict: bool = False
) -> Evaluation:
    """A function of a focus, JSON of the type or element ``context``, that gives a list of values.

    FHIR's values are given as JSON, FHIRPath's own as str, bool, int, Decimal, Temporal, Quantity.
    ``strict`` refuses what the types say can never be. Raises NotEvaluated for what is not FHIRPath
    or beyond the engine; the function raises EvaluationError where FHIRPath signals an error, or
    the JSON has not the shape of its type.
    https://hl7.org/fhirpath/N1/
    """
    evaluate = compile_typed(text, definitions, context, strict=strict)

    def values(value: Any, environment: Environment) -> list[Any]:
        return [
            item.value if type(item) is Node or type(item) is Prim else item
            for item in evaluate(value, environment)
        ]

    return values


def compile_typed(
    text: str, definitions: Definitions, context: str | None, *, strict: bool = False
) -> Evaluation:
    """As ``compile_expression``, with FHIR's values as nodes that carry their type."""
    compiler = Compiler(types_of(definitions), strict)
    subject = _Subject(compiler, context)
    code = compiler.paths.free(compiler.compile(parse(text), subject.scope))
    items, enter, needs_run = code.items, subject.enter, compiler.needs_run

    def evaluate(value: Any, environment: Environment) -> list[Any]:
        try:
            item = enter(value, None)
            return list(items(item, Run(environment, item) if needs_run else environment))
        except _MISSHAPEN as error:
            raise EvaluationError(f"the JSON has another shape than {context}") from error

    return evaluate


def compile_invariant(
    text: str, definitions: Definitions, context: str, key: str = ""
) -> Invariant:
    """A test of an element's JSON, and of its ``_name`` beside it, as HL7's validator runs it.

    Nothing is false, one boolean is itself, anything else is true; an error is false. Expressions
    that are wrong as published are repaired as HL7 does. Raises NotEvaluated for what is not
    FHIRPath or beyond the engine.
    https://hl7.org/fhir/R4/conformance-rules.html#constraints
    """
    repaired = repair(text, key, definitions.release)
    compiler = Compiler(types_of(definitions), as_hl7=True)
    subject = _Subject(compiler, context)
    code = compiler.compile(parse(repaired), subject.scope)
    return _invariant(code, subject.enter, compiler.needs_run)


def repair(text: str, key: str, release: str) -> str:
    """What a published expression means, where it does not say it."""
    for one in _repairs():
        here = release in one.get("in", (release,)) and key == one.get("key", key)
        if here and text == one["says"]:
            return str(one["means"])
    return text


@cache
def _repairs() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(REPAIRS.read_bytes())
    return found


def _invariant(code: Code, enter: Callable[[Any, Any], Any], needs_run: bool) -> Invariant:
    test = _test(code)

    def invariant(value: Any, sibling: Any, environment: Environment) -> bool:
        try:
            item = enter(value, sibling)
            return test(item, Run(environment, item) if needs_run else environment)
        except EvaluationError:
            return False
        except _MISSHAPEN:
            return True  # said where the shape is checked

    return invariant


def _test(code: Code) -> Callable[[Any, Any], bool]:
    if code.type is BOOLEAN and code.one is not None:
        one = code.one
        return lambda v, r: one(v, r) is True
    items = code.items

    def test(v: Any, r: Any) -> bool:
        found = items(v, r)
        if len(found) != 1:
            return bool(found)
        value = plain(found[0])
        return value is not False and value is not None

    return test


class _Subject:
    """What an expression is asked of: how its JSON becomes a focus, and what names mean there."""

    def __init__(self, compiler: Compiler, context: str | None):
        self._types = compiler.types
        self._names = self._types.at(context) if context else ()
        kind = self._types.needed(self._names[0]) if len(self._names) == 1 else None
        if kind is not None and kind.abstract:
            kind = None
        self._kind = kind
        root = self._types.get(context.partition(".")[0]) if context else None
        if root is None or not root.resource or root.abstract:
            root = self._types.any_resource
        self.scope = Scope(focus(kind), root, kind)

    @property
    def enter(self) -> Callable[[Any, Any], Any]:
        """What makes the focus of JSON and of the JSON beside it."""
        kind = self._kind
        if kind is None:
            return lambda value, sibling: Node(value, self._guess(value), sibling)
        if kind.category:
            return lambda value, sibling: value if sibling is None else Prim(value, sibling)
        return lambda value, _sibling: value

    def _guess(self, value: Any) -> Type:
        """The type of JSON that may be of several."""
        needed = self._types.needed
        if isinstance(value, dict) and "resourceType" in value:
            return needed(value["resourceType"])
        names = self._names or ("boolean", "integer", "decimal", "string")
        if not isinstance(value, dict):
            return needed(_primitive(value, names))
        complex_names = [name for name in names if name not in CATEGORIES] or ["Element"]
        keys = {key.removeprefix("_") for key in value}
        return needed(min(complex_names, key=lambda name: len(keys - needed(name).keys.keys())))


def _primitive(value: Any, names: tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        wanted = ["integer", "decimal"]
    elif isinstance(value, (float, Decimal)):
        wanted = ["decimal"]
    else:
        wanted = ["string"]
    possible = [name for name in names if CATEGORIES.get(name) in (*wanted, *_FORMS)]
    for name in possible:
        if name in _FORMS and isinstance(value, str) and _FORMS[name].fullmatch(value):
            return name
    return next((n for n in possible if CATEGORIES[n] in wanted), wanted[0])
