"""The mapping function that writes an element, and its line: watched, then found in the source."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from textwrap import dedent
from types import CodeType, FrameType, FunctionType
from typing import Any

from mappings import Context

HELPERS = frozenset({"mappings.context", "mappings.values", "mappings.code_tables"})
COMMON = ("resourceType", "id", "meta")  # written by Context.resource for every resource
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
    """The lines of ``mappings`` that ran, and the innermost function that gave the resource."""

    lines: Mapping[CodeType, set[int]]
    maker: tuple[str, CodeType] | None


def called(run: Callable[[], Any], resource: dict[str, Any]) -> Calls:
    """What runs while this does, and which function of it makes the resource."""
    lines: dict[CodeType, set[int]] = defaultdict(set)
    makers: list[tuple[str, CodeType]] = []

    def watch(frame: FrameType, event: str, given: Any) -> Any:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("mappings."):
            return None
        lines[frame.f_code].add(frame.f_lineno)
        common = module in HELPERS or makers
        if event == "return" and not common and _holds(given, resource):
            makers.append((module, frame.f_code))
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        run()
    finally:
        sys.settrace(before)
    return Calls(lines, makers[0] if makers else None)


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
    steps = steps[:1] if steps[0] == "identifier" else steps
    module, code = calls.maker
    found = None if steps[0] in COMMON else _follow(steps, module, code, calls)
    found = found or _follow(steps, "mappings.context", Context.resource.__code__, calls)
    return found or Function(module, code.co_name, code.co_firstlineno)


def _follow(steps: Sequence[str], module: str, code: CodeType, calls: Calls) -> Function | None:
    """Goes from the function to the deepest step that is written in it or in what it calls."""
    node: ast.AST | None = _tree(code)
    found = None
    for step in steps:
        hit = _written(node, step, module, code, calls) if node is not None else None
        if hit is None or step == "reference":  # what a reference leads to says no more
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


def _written(
    node: ast.AST, step: str, module: str, code: CodeType, calls: Calls
) -> tuple[ast.AST, CodeType] | None:
    """Where a step is written: here, or in a function that ran, is called here and stands near."""
    node = _assigned(node, code)
    here = list(_level(node))
    for each in here:
        hit = _writes(each, step)
        if hit is not None and calls.lines[code].intersection(_lines(hit)):
            return hit, code
    for other in (found for each in here for found in _called_by(each, module)):
        tree = _tree(other) if other in calls.lines and other is not code else None
        if tree is not None and (there := _written(tree, step, module, other, calls)):
            return there
    return None


def _lines(node: ast.AST) -> range:
    first: int = node.lineno  # type: ignore[attr-defined]
    last: int = node.end_lineno  # type: ignore[attr-defined]
    return range(first, last + 1)


def _level(node: ast.AST) -> Iterator[ast.AST]:
    """What stands at one level of a resource: elements that are named here are not entered."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.keyword) and child.arg:
            yield child
        elif isinstance(child, ast.Dict):
            yield child
            for key, value in zip(child.keys, child.values, strict=True):
                if not isinstance(key, ast.Constant):
                    yield from _level(value)
        elif not isinstance(node, ast.Dict):
            yield from _level(child)


def _assigned(node: ast.AST, code: CodeType) -> ast.AST:
    """What a name stands for in its function."""
    tree = _tree(code)
    if not isinstance(node, ast.Name) or tree is None:
        return node
    for each in ast.walk(tree):
        if isinstance(each, ast.Assign):
            names = {n.id for t in each.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            if node.id in names:
                return each.value
    return node


def _writes(node: ast.AST, step: str) -> ast.AST | None:
    """The value that a keyword, a key or a choice such as ``timed("effective", ...)`` writes."""
    if isinstance(node, ast.keyword) and node.arg and node.arg.rstrip("_") == step:
        return node.value
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and str(key.value).rstrip("_") == step:
                return value
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        return node if _is_choice(node.args[0].value, step) else None
    return None


def _is_choice(stem: object, step: str) -> bool:
    return isinstance(stem, str) and bool(re.match(rf"{re.escape(stem)}[A-Z]", step))


def _called_by(node: ast.AST, module: str) -> Iterator[CodeType]:
    """The functions of this module that a call may mean."""
    if not isinstance(node, ast.Call):
        return
    for each in _meant(node.func, vars(sys.modules[module])):
        if isinstance(each, FunctionType) and each.__module__ == module:
            yield each.__code__


def _meant(called: ast.AST, names: Mapping[str, Any]) -> Iterator[Any]:
    """What is called: by its name, by a table such as one of releases, or by either of two."""
    if isinstance(called, ast.Name):
        yield names.get(called.id)
    elif isinstance(called, ast.Subscript) and isinstance(called.value, ast.Name):
        table = names.get(called.value.id)
        yield from table.values() if isinstance(table, dict) else ()
    elif isinstance(called, ast.IfExp):
        yield from _meant(called.body, names)
        yield from _meant(called.orelse, names)
