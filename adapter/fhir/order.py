"""The order of writes: what is referred to goes first, and cycles stay together.

Encounter.diagnosis and Condition.encounter refer to each other: such resources are one group that
is never split. Groups of people, lists and provenance go last, after everything they name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_WRITTEN = re.compile(r'"reference":"([^"\\]+)"')
_TARGET = re.compile(r'"reference":"([A-Z][A-Za-z0-9]*/[^"\\/]+)"')
LAST = frozenset(("Group", "List", "Provenance"))


def references(value: Any) -> Iterator[str]:
    """Every literal reference inside a resource."""
    if isinstance(value, dict):
        target = value.get("reference")
        if isinstance(target, str):
            yield target
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def written_references(content: bytes) -> tuple[str, ...]:
    """Every literal reference in a resource's JSON as ``fhir.json.dumps`` writes it.

    A text that spells one has its quotes escaped, so it is none.
    """
    return tuple(_WRITTEN.findall(content.decode()))


def written_targets(content: bytes) -> tuple[str, ...]:
    """What a resource's JSON refers to by ``Type/id``, each once: see ``is_literal``."""
    return tuple(dict.fromkeys(_TARGET.findall(content.decode())))


def reference_to(resource: Mapping[str, Any]) -> str:
    """``Type/id`` of a resource."""
    return f"{resource['resourceType']}/{resource['id']}"


def is_literal(target: str) -> bool:
    """True for ``Type/id``; false for contained resources, URNs and absolute URLs."""
    kind, _, rest = target.partition("/")
    return bool(rest) and "/" not in rest and kind[:1].isupper() and kind.isalnum()


def groups(targets: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of names, each after the groups it refers to (Tarjan's strongly connected components).

    ``targets`` says what each name refers to; names outside of it do not count.
    https://doi.org/10.1137/0201010
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    waiting: set[str] = set()
    found: list[list[str]] = []
    for root in targets:
        if root in index:
            continue
        if all(t not in targets or t in index for t in targets[root]):  # nothing it waits for
            index[root] = len(index)
            found.append([root])
            continue
        work: list[tuple[str, Iterator[str]]] = []
        _enter(root, targets, index, low, stack, waiting, work)
        while work:
            name, rest = work[-1]
            target = next((t for t in rest if t in targets), None)
            if target is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    found.append(_leave(name, stack, waiting))
            elif target not in index:
                _enter(target, targets, index, low, stack, waiting, work)
            elif target in waiting:
                low[name] = min(low[name], index[target])
    return found


def _enter(
    name: str,
    targets: Mapping[str, Iterable[str]],
    index: dict[str, int],
    low: dict[str, int],
    stack: list[str],
    waiting: set[str],
    work: list[tuple[str, Iterator[str]]],
) -> None:
    index[name] = low[name] = len(index)
    stack.append(name)
    waiting.add(name)
    work.append((name, iter(targets[name])))


def _leave(name: str, stack: list[str], waiting: set[str]) -> list[str]:
    at = stack.index(name)
    group = stack[at:]
    del stack[at:]
    waiting.difference_update(group)
    return group


def is_last(resource: Mapping[str, Any]) -> bool:
    """True for what lists others and therefore goes after them; a Group only with its members."""
    kind = resource.get("resourceType")
    return kind in LAST and (kind != "Group" or "member" in resource)


def grouped(changes: Sequence[Any]) -> list[list[Any]]:
    """Changes (with ``reference`` and ``targets``) as groups in the order they must be written."""
    by_reference = {change.reference: change for change in changes}
    order = groups({change.reference: change.targets for change in changes})
    return [[by_reference[name] for name in sorted(group)] for group in order]
