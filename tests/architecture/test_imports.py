"""One direction of calls, pure mappings, and no surprise among the public names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import adapter
import mappings

ROOT = Path(__file__).resolve().parents[2]
MAPPINGS = sorted((ROOT / "mappings").rglob("*.py"))

# What a pure function cannot use: files, clock, randomness, environment, logging, network.
IMPURE = frozenset(
    [
        "asyncio",
        "http",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "shutil",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    ]
)
READER = "context.py"  # load_default_context() reads the shipped code tables
CLOCKS = {"now", "utcnow", "today"}


def test_import_contracts() -> None:
    # In a process of its own: import-linter switches the loggers of its process off.
    check = "from importlinter.cli import lint_imports; exit(lint_imports(no_cache=True))"
    done = subprocess.run(  # noqa: S603 - a fixed command
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def imported(tree: ast.Module) -> Iterator[str]:
    """The top-level packages a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "mappings").split(".")[0]


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: path.name)
def test_mappings_are_pure(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set(imported(tree))
    assert names <= {*sys.stdlib_module_names, "mappings"}
    assert names.isdisjoint(IMPURE)
    assert "importlib" not in names or path.name == READER
    calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert calls.isdisjoint(CLOCKS)
    opened = {node.func.id for node in ast.walk(tree) if _named_call(node)}  # type: ignore[attr-defined]
    assert opened.isdisjoint({"open", "print", "input", "eval", "exec"})


def _named_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


@pytest.mark.parametrize("package", [adapter, mappings], ids=["adapter", "mappings"])
def test_public_names_are_few_and_there(package: object) -> None:
    names: list[str] = package.__all__  # type: ignore[attr-defined]
    assert 0 < len(names) <= 15
    assert names == sorted(names)
    assert all(getattr(package, name) is not None for name in names)
