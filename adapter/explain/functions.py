"""The mapping function that writes an element, and its line: watched, then found in the source."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from textwrap import dedent
from types import CodeType, FrameType
from typing import Any

from mappings import Context

HELPERS = frozenset({"mappings.context", "mappings.values", "mappings.code_tables"})
INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Function:
    """A function of ``mappings`` and the line of it that writes an element."""

    module: str
    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.module}:{self.name}:{self.line}"

    def to_json(self) -> dict[str, Any]:
        """The function as ``explain --format json`` prints it."""
        file = f"{self.module.replace('.', '/')}.py"
        return {"module": self.module, "function": self.name, "file": file, "line": self.line}


@dataclass(frozen=True, slots=True)
class Calls:
    """The functions of ``mappings`` that ran, and the innermost that gave the resource."""

    functions: Sequence[tuple[str, CodeType]]
    maker: tuple[str, CodeType] | None


def called(run: Callable[[], Any], resource: dict[str, Any]) -> Calls:
    """What runs while this does, and which function of it makes the resource."""
    seen: dict[CodeType, str] = {}
    makers: list[tuple[str, CodeType]] = []

    def watch(frame: FrameType, event: str, given: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("mappings.") or module in HELPERS:
            return
        if event == "call":
            seen.setdefault(frame.f_code, module)
        elif event == "return" and not makers and _holds(given, resource):
            makers.append((module, frame.f_code))

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        run()
    finally:
        sys.setprofile(before if callable(before) else None)
    functions = [(module, code) for code, module in seen.items()]
    return Calls(functions, makers[0] if makers else None)


def _holds(given: Any, resource: dict[str, Any]) -> bool:
    """True when a function gives the resource, alone or among others."""
    if isinstance(given, list | tuple):
        return any(_holds(each, resource) for each in given)
    return (
        isinstance(given, dict)
        and given.get("resourceType") == resource["resourceType"]
        and given.get("id") == resource["id"]
    )


def writer(path: str, calls: Calls) -> Function | None:
    """The function that writes the element: the deepest step of its path that is named in one.

    What every resource has alike is written by ``Context.resource``.
    """
    if calls.maker is None:
        return None
    steps = [INDEX.sub("", step) for step in path.split(".")]
    common = ("mappings.context", Context.resource.__code__)
    own, every = _follow(steps, *calls.maker, calls), _follow(steps, *common, calls)
    module, code = calls.maker
    return own or every or Function(module, code.co_name, code.co_firstlineno)


def _follow(steps: Sequence[str], module: str, code: CodeType, calls: Calls) -> Function | None:
    """Goes from the function to the deepest step that is written in it or in what it calls."""
    near = {each.co_name: each for of, each in calls.functions if of == module}
    node: ast.AST | None = _tree(code)
    found = None
    for step in steps:
        hit = _named(node, step, near, code) if node is not None else None
        if hit is None:
            break
        node, code = hit
        found = Function(module, code.co_name, node.lineno)  # type: ignore[attr-defined]
    return found


@cache
def _tree(code: CodeType) -> ast.AST | None:
    """The function's syntax, with the line numbers of its file."""
    try:
        lines, start = inspect.getsourcelines(code)
    except (OSError, TypeError):
        return None
    try:
        return ast.increment_lineno(ast.parse(dedent("".join(lines))), start - 1)
    except SyntaxError:  # a lambda within an expression
        return None


def _named(
    node: ast.AST, step: str, near: dict[str, CodeType], code: CodeType
) -> tuple[ast.AST, CodeType] | None:
    """Where a step is written: here, or in a function of the same module that is called here."""
    for hit in _writes(node, step):
        return hit, code
    for name in _calls(node):
        if name in near and near[name] is not code:
            tree = _tree(near[name])
            for hit in _writes(tree, step) if tree is not None else ():
                return hit, near[name]
    return None


def _writes(node: ast.AST, step: str) -> Iterator[ast.AST]:
    for each in ast.walk(node):
        if isinstance(each, ast.keyword) and each.arg and each.arg.rstrip("_") == step:
            yield each.value
        elif isinstance(each, ast.Dict):
            for key, value in zip(each.keys, each.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == step:
                    yield value
        elif isinstance(each, ast.Call) and each.args:
            first = each.args[0]  # timed("effective", ...) writes effectiveDateTime
            if isinstance(first, ast.Constant) and _is_choice(first.value, step):
                yield each


def _is_choice(stem: object, step: str) -> bool:
    return isinstance(stem, str) and stem != step and bool(re.match(rf"{stem}[A-Z]", step))


def _calls(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name):
            yield each.func.id
