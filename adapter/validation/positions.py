"""The line on which an element stands, worked out only for the elements that have an issue.

One pass over the text follows the wanted paths and jumps over everything else, so that a large
Bundle costs neither memory nor a second parse. An element that is missing has its parent's line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from operator import itemgetter
from typing import Any, NamedTuple
from xml.parsers import expat

from adapter.validation.json_text import STRING

MAX_STEPS = 100  # the way down is recursive
_COMMENT = re.compile(r"/\*.*?\*/")
_STEP = re.compile(r"\.?([A-Za-z_][\w-]*)(\[x\])?(?:\.ofType\((\w+)\))?((?:\[\d+\])*)")
_INDEX = re.compile(r"\[(\d+)\]")
_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(STRING, re.DOTALL)
_SCALAR = re.compile(r"[^\s,\]}]*")
_TO_BRACKET = re.compile(rf'[^"{{}}\[\]]*+(?:{STRING}[^"{{}}\[\]]*+)*+', re.DOTALL)

Step = str | int
CHOICE = "[x]"  # ends a step that any of a choice's names satisfies


class _Node(NamedTuple):
    """A place that is wanted, or on the way to one; ``paths`` end here."""

    below: dict[Step, _Node]
    paths: list[str]


def line_of(text: str, path: str, first: int = 1) -> int | None:
    """The line of one element in JSON text; None where the text is no JSON."""
    return lines_of(text, [path], first).get(path)


def lines_of(text: str, paths: Collection[str], first: int = 1) -> dict[str, int]:
    """The line of each of these FHIRPath locations in JSON text that starts at line ``first``."""
    offsets: dict[str, int] = {}
    with suppress(_EndError):  # what was found before the end is right
        _Scanner(text, offsets).value(_skip(text, 0), _tree(paths))
    lines: dict[str, int] = {}
    line, before = first, 0
    for path, offset in sorted(offsets.items(), key=itemgetter(1)):
        line += text.count("\n", before, offset)
        before = offset
        lines[path] = line
    return lines


def xml_lines_of(data: bytes, paths: Collection[str]) -> dict[str, int]:
    """The line of each of these FHIRPath locations in FHIR XML."""
    lines: dict[str, int] = {}
    follower = _XmlFollower(_tree(paths), lines)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda name, _: follower.start(name, parser.CurrentLineNumber)
    parser.EndElementHandler = lambda _: follower.end()
    with suppress(expat.ExpatError):  # what was found before the fault is right
        parser.Parse(data, True)
    return lines


def steps(path: str) -> Iterator[Step]:
    """A FHIRPath location as JSON's names and indices, without the type it starts with."""
    bare = _COMMENT.sub("", path)
    at = len(bare.partition(".")[0]) if not bare.startswith("$") else 1
    while match := _STEP.match(bare, at):
        name, choice, kind, indices = match.groups()
        yield name + (kind[:1].upper() + kind[1:] if kind else choice or "")
        yield from (int(index) for index in _INDEX.findall(indices))
        at = match.end()


def _tree(paths: Collection[str]) -> _Node:
    root = _Node({}, [])
    for path in set(paths):
        node = root
        for count, step in enumerate(steps(path)):
            if count >= MAX_STEPS:
                break
            node = node.below.setdefault(step, _Node({}, []))
        node.paths.append(path)
    return root


def _all_paths(node: _Node) -> Iterator[str]:
    yield from node.paths
    for below in node.below.values():
        yield from _all_paths(below)


def _wanted(below: Mapping[Step, _Node], name: str) -> _Node | None:
    """The node of a JSON name: itself, its primitive's twin ``_name``, or a choice's name."""
    node = below.get(name) or (below.get(name[1:]) if name.startswith("_") else None)
    if node is not None:
        return node
    for step, choice in below.items():
        if isinstance(step, str) and step.endswith(CHOICE):
            base = step.removesuffix(CHOICE)
            if name.startswith(base) and name[len(base) : len(base) + 1].isupper():
                return choice
    return None


class _EndError(Exception):
    """The text ended, or is no JSON."""


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


class _Scanner:
    """Walks down JSON text along the wanted paths."""

    def __init__(self, text: str, offsets: dict[str, int]):
        self._text = text
        self._offsets = offsets

    def value(self, at: int, node: _Node | None) -> int:
        """Reads a value; returns where it ends."""
        start = self._text[at : at + 1]
        if not start:
            raise _EndError
        if node is None:
            return self._jump(at)
        # everything below has this place until a deeper one is found
        self._offsets.update(dict.fromkeys(_all_paths(node), at))
        if start == "{" and node.below:
            return self._object(at, node)
        if start == "[" and node.below:
            return self._array(at, node)
        return self._jump(at)

    def _object(self, at: int, node: _Node) -> int:
        seen: set[str] = set()
        at = _skip(self._text, at + 1)
        while (char := self._text[at : at + 1]) != "}":
            if char == ",":
                at = _skip(self._text, at + 1)
                continue
            name = _STRING.match(self._text, at)
            if name is None:
                raise _EndError
            colon = _skip(self._text, name.end())
            at = _skip(self._text, colon + 1)
            key = name.group()[1:-1]
            below = _wanted(node.below, key)
            # what stands beside a value must not hide the value's own line
            twin = key.startswith("_") and key[1:] in seen and key not in node.below
            own = below.paths if below and twin else []
            kept = {path: self._offsets[path] for path in own}
            at = _skip(self._text, self.value(at, below))
            self._offsets.update(kept)
            seen.add(key)
        return at + 1

    def _array(self, at: int, node: _Node) -> int:
        at = _skip(self._text, at + 1)
        index = 0
        while (char := self._text[at : at + 1]) != "]":
            if char == ",":
                at = _skip(self._text, at + 1)
                continue
            at = _skip(self._text, self.value(at, node.below.get(index)))
            index += 1
        return at + 1

    def _jump(self, at: int) -> int:
        """The end of a value that nobody asked about."""
        start = self._text[at : at + 1]
        if start == '"':
            return self._end(_STRING.match(self._text, at), at)
        if start not in ("{", "["):
            return self._end(_SCALAR.match(self._text, at), at)
        open_ = 0
        while True:
            match = _TO_BRACKET.match(self._text, at)
            at = match.end() if match else at
            char = self._text[at : at + 1]
            if not char or char == '"':
                raise _EndError
            at += 1
            open_ += 1 if char in "{[" else -1
            if open_ == 0:
                return at

    @staticmethod
    def _end(match: re.Match[str] | None, at: int) -> int:
        if match is None or match.end() == at:
            raise _EndError
        return match.end()


class _XmlFollower:
    """Follows the wanted paths while expat reads; a resource in a resource adds no step."""

    def __init__(self, root: _Node, lines: dict[str, int]):
        self._root = root
        self._lines = lines
        self._stack: list[tuple[_Node | None, dict[str, int]]] = []

    def start(self, tag: str, line: int) -> None:
        name = tag.rpartition(" ")[2]
        if not self._stack:
            self._push(self._root, line)
            return
        parent, counts = self._stack[-1]
        if parent is None:
            self._stack.append((None, {}))
        elif name[:1].isupper():
            self._push(parent, line)
        else:
            index = counts[name] = counts.get(name, -1) + 1
            self._push(self._below(parent, name, index), line)

    def end(self) -> None:
        self._stack.pop()

    def _push(self, node: _Node | None, line: int) -> None:
        self._stack.append((node, {}))
        if node is not None:
            self._lines.update(dict.fromkeys(_all_paths(node), line))

    @staticmethod
    def _below(parent: _Node, name: str, index: int) -> _Node | None:
        node = _wanted(parent.below, name)
        if node is None:
            return None
        indexed: Any = node.below.get(index)
        if indexed is not None:
            return _Node({**node.below, **indexed.below}, [*node.paths, *indexed.paths])
        return node if index == 0 else None
