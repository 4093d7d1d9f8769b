"""The mapping function that writes an element, and its line: watched, then found in the source."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from types import CodeType, FrameType
from typing import Any

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


def called(run: Callable[[], Any]) -> list[tuple[str, CodeType]]:
    """The functions of ``mappings`` that run while this does, in the order they begin."""
    seen: dict[CodeType, str] = {}

    def watch(frame: FrameType, event: str, _: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("mappings.") and module not in HELPERS:
            seen.setdefault(frame.f_code, module)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        run()
    finally:
        sys.setprofile(before if callable(before) else None)
    return [(module, code) for code, module in seen.items()]


def writer(
    path: str, resource_type: str, functions: Sequence[tuple[str, CodeType]]
) -> Function | None:
    """The function that writes the element: the deepest step of its path that is named in one."""
    steps = [INDEX.sub("", step) for step in path.split(".")]
    made = _maker(resource_type, functions)
    if made is None:
        return None
    module, code = made
    near = {c.co_name: c for m, c in functions if m == module}
    found = Function(module, code.co_name, code.co_firstlineno)
    node: ast.AST | None = _tree(code)
    for step in steps:
        hit = _named(node, step, near, code) if node is not None else None
        if hit is None:
            break
        node, code = hit
        found = Function(module, code.co_name, node.lineno)  # type: ignore[attr-defined]
    return found


def _maker(
    resource_type: str, functions: Sequence[tuple[str, CodeType]]
) -> tuple[str, CodeType] | None:
    """The function that asks for a resource of this type."""
    for module, code in functions:
        if _asks(_tree(code), resource_type):
            return module, code
    return None


def _asks(tree: ast.AST | None, resource_type: str) -> bool:
    return tree is not None and any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "resource"
        and bool(node.args)
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == resource_type
        for node in ast.walk(tree)
    )


@cache
def _tree(code: CodeType) -> ast.AST | None:
    """The function's syntax, with the line numbers of its file."""
    try:
        lines, start = inspect.getsourcelines(code)
    except (OSError, TypeError):
        return None
    text = inspect.cleandoc("\n" + "".join(lines)) if lines[0][:1].isspace() else "".join(lines)
    try:
        return ast.increment_lineno(ast.parse(text), start - 1)
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
