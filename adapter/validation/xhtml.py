"""Reads the XHTML of a narrative into a tree.

Well-formed XML is read by expat. What is not is read again with the leniency of HL7's validator,
whose verdict on it is the same as on its corrected form: attributes without quotes, an outermost
element that does not end, text behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.entities import html5
from typing import Any
from xml.parsers import expat

XHTML = "http://www.w3.org/1999/xhtml"
DOCTYPE = "!DOCTYPE"  # the name of a node that stands for a document type within the text
MAX_DEPTH = 500
_XML_ENTITIES = frozenset({"quot", "amp", "apos", "lt", "gt"})
_PROLOG = re.compile(r"(?:[\s\ufeff]+|<!--.*?-->|<\?[^>]*>|<![^>-][^>]*>)*", re.DOTALL)
_NAME = re.compile(r"[\w\-:.]*")
_ENTITY = re.compile(r"&([^;&'\"><]*)[;&'\"><]?")
_VALUE = {'"': re.compile(r'[^">]*'), "'": re.compile(r"[^'>]*"), "": re.compile(r"[^>/]*")}


class NarrativeError(ValueError):
    """The XHTML cannot be read."""


class _DoctypeError(Exception):
    """There is a document type, which expat had better not read."""


@dataclass(slots=True)
class Node:
    """An element, with strings for text among its children; comments are left out."""

    name: str
    attributes: dict[str, str]
    children: list[Node | str] = field(default_factory=list)

    def elements(self) -> Iterator[Node]:
        """The children that are elements."""
        return (one for one in self.children if isinstance(one, Node))

    def walk(self) -> Iterator[Node]:
        """All elements below, in document order."""
        for one in self.elements():
            yield one
            yield from one.walk()


@dataclass(slots=True)
class Parsed:
    """The outermost element, and what was wrong with the form of the text."""

    root: Node
    entities: list[str] = field(default_factory=list)  # names that XHTML in FHIR may not use
    ill_formed: str | None = None  # what makes it no well-formed XML


def parse(div: str) -> Parsed:
    """The tree of a narrative; raises NarrativeError when nobody could read it."""
    try:
        return Parsed(_well_formed(div))
    except (expat.ExpatError, _DoctypeError, ValueError) as error:
        try:
            parsed = _Lenient(div).parse()
        except RecursionError:
            raise NarrativeError("it is nested too deeply") from None
        parsed.ill_formed = str(error)
        return parsed


def _well_formed(div: str) -> Node:
    parser = expat.ParserCreate()
    top = Node("", {})
    stack = [top]
    in_cdata = False

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(stack) > MAX_DEPTH:
            raise NarrativeError("it is nested too deeply")
        node = Node(name, attributes)
        stack[-1].children.append(node)
        stack.append(node)

    def end(_name: str) -> None:
        stack.pop()

    def characters(data: str) -> None:
        if not in_cdata:
            stack[-1].children.append(data)

    def cdata(begins: bool) -> None:
        nonlocal in_cdata
        in_cdata = begins

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartCdataSectionHandler = lambda: cdata(True)
    parser.EndCdataSectionHandler = lambda: cdata(False)
    parser.StartDoctypeDeclHandler = _refuse
    parser.Parse(div, True)
    root = next(top.elements())
    _without_prefixes(root, {})
    return root


def _refuse(*_: Any) -> None:
    raise _DoctypeError("there is a DOCTYPE")


def _without_prefixes(node: Node, known: dict[str, str]) -> None:
    """Turns ``<h:div xmlns:h="...">`` into ``<div xmlns="...">``."""
    own = {n[6:]: held for n, held in node.attributes.items() if n.startswith("xmlns:")}
    inner = {**known, **own} if own else known
    prefix, colon, name = node.name.partition(":")
    if colon:
        node.name = name
        node.attributes["xmlns"] = inner.get(prefix, "")
    for one in node.elements():
        _without_prefixes(one, inner)


class _Lenient:
    """A reader of XHTML that forgives what HL7's validator forgives."""

    def __init__(self, source: str):
        self.source = source
        self.at = 0
        self.entities: list[str] = []

    def parse(self) -> Parsed:
        self._match(_PROLOG)
        if not self._next("<"):
            raise NarrativeError("it does not start with a tag")
        root = self._element(0)
        root.name = root.name.lower()
        _without_prefixes(root, {})
        return Parsed(root, self.entities)

    def _next(self, expected: str) -> bool:
        if self.source.startswith(expected, self.at):
            self.at += len(expected)
            return True
        return False

    def _match(self, pattern: re.Pattern[str]) -> str:
        """What a pattern finds here, and goes behind it."""
        found = pattern.match(self.source, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def _name(self) -> str:
        return self._match(_NAME)

    def _spaces(self) -> None:
        while self.source[self.at : self.at + 1].isspace():
            self.at += 1

    def _until(self, end: str) -> str:
        to = self.source.find(end, self.at)
        if to < 0:
            raise NarrativeError(f"{end} is missing")
        held, self.at = self.source[self.at : to], to + len(end)
        return held

    def _element(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise NarrativeError("it is nested too deeply")
        node = Node(self._name(), {})
        closing = node.name.lower() if not depth else node.name
        self._attributes(node)
        if self._next("/"):
            if not self._next(">"):
                raise NarrativeError(f"the tag {node.name} does not end")
            return node
        self.at += 1
        while self.at < len(self.source):
            if self.source[self.at] != "<":
                self._text(node)
            elif self._next("</"):
                if self._until(">").rpartition(":")[2] == closing.rpartition(":")[2]:
                    return node
                raise NarrativeError(f"{node.name} ends with another tag")
            else:
                self.at += 1
                self._markup(node, depth)
        return node

    def _markup(self, node: Node, depth: int) -> None:
        if self._next("![CDATA["):
            self._until("]]>")
        elif self._next("!--"):
            self._until("-->")
        elif self._next("!"):
            if self._until(">").startswith("DOCTYPE"):
                node.children.append(Node(DOCTYPE, {}))
        elif self._next("?"):
            self._until(">")
        elif self.source[self.at : self.at + 1].isalnum():
            node.children.append(self._element(depth + 1))
        else:
            raise NarrativeError(f"{node.name} holds a lone <")

    def _text(self, node: Node) -> None:
        ends = self.source.find("<", self.at)
        ends = len(self.source) if ends < 0 else ends
        held = ""
        while self.at < ends:
            amp = self.source.find("&", self.at, ends)
            if amp < 0:
                held += self.source[self.at : ends]
                self.at = ends
            else:
                held += self.source[self.at : amp]
                self.at = amp
                held += self._entity()
        if held:
            node.children.append(held)

    def _entity(self) -> str:
        name = self._match(_ENTITY).lstrip("&").rstrip(";&'\"><")
        if not name:
            raise NarrativeError("there is a lone &")
        if name.startswith("#"):
            return _character(name[1:])
        if name not in _XML_ENTITIES:
            if f"{name};" not in html5:
                raise NarrativeError(f"&{name}; is unknown")
            self.entities.append(name)
        return html5[f"{name};"]

    def _attributes(self, node: Node) -> None:
        self._spaces()
        while self.at < len(self.source) and self.source[self.at] not in ">/":
            name = self._name()
            if not name:
                raise NarrativeError(f"an attribute of {node.name} has no name")
            self._spaces()
            if self._next("="):
                self._spaces()
                node.attributes[name] = self._value()
            elif self.source[self.at : self.at + 1] in ">/" or _NAME.match(self.source, self.at):
                node.attributes[name] = ""
            self._spaces()

    def _value(self) -> str:
        quote = '"' if self._next('"') else "'" if self._next("'") else ""
        inner = _Lenient(self._match(_VALUE[quote]))
        if quote:
            self._next(quote)
        held = Node("", {})
        inner._text(held)
        self.entities += inner.entities
        return "".join(one for one in held.children if isinstance(one, str))


def _character(number: str) -> str:
    """A character by its number; nothing for a number that is none."""
    try:
        return chr(int(number[1:], 16) if number.startswith("x") else int(number))
    except (ValueError, OverflowError):
        return ""
