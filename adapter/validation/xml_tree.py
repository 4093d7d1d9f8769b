"""XML text as a tree of small nodes that know their line; what no FHIR file needs is refused.

Document types are refused outright, and with them entities and every attack that they allow.
https://hl7.org/fhir/R4/xml.html
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from adapter.validation.issues import Issue
from adapter.validation.json_text import MAX_DEPTH

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
_HEADER = re.compile(rb"^(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_ENCODINGS = frozenset({"utf-8", "ascii", "iso8859-1", "cp1252", "utf-16"})


class XmlError(Exception):
    """The text is no XML, or none that may be read."""

    def __init__(self, message: str, line: int):
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(slots=True)
class Node:
    """An element. ``text`` is what stands between its children; ``parts`` keeps the order."""

    space: str
    name: str
    attributes: dict[str, str]  # "namespace name", or just the name
    line: int
    children: list[Node] = field(default_factory=list)
    text: str = ""
    parts: list[str | Node] = field(default_factory=list)
    instruction: bool = False  # a processing instruction stands in it


@dataclass(slots=True)
class Tree:
    """The root, and what is wrong around it."""

    root: Node
    issues: list[Issue]


def read_tree(data: bytes) -> Tree:
    """The tree of an XML document. Raises XmlError."""
    text, issues = _utf8(data)
    builder = _Builder(issues)
    parser = builder.parser
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise XmlError(expat.ErrorString(error.code), error.lineno) from None
    if builder.root is None:
        raise XmlError("there is no element", 1)
    return Tree(builder.root, issues)


def _utf8(data: bytes) -> tuple[bytes, list[Issue]]:
    """The document in UTF-8; another encoding is an error that can be read past."""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    declared = _HEADER.match(data)
    name = "utf-16" if wide else declared.group(1).decode("ascii") if declared else "utf-8"
    try:
        encoding = codecs.lookup(name).name
        if encoding not in _ENCODINGS:
            raise LookupError
        text = data.decode(encoding).removeprefix("\ufeff").encode("utf-8")
    except LookupError:
        raise XmlError(f"the encoding {name} is unknown", 1) from None
    except UnicodeError:
        raise XmlError(f"the text is not {name.upper()}", 1) from None
    if encoding in ("utf-8", "ascii"):
        return text, []
    message = f"The XML encoding is invalid (must be UTF-8, not '{name}')"
    return text, [Issue("error", "invalid", "", message, "xml_encoding_invalid", line=1)]


class _Builder:
    """Builds the tree from expat's events."""

    def __init__(self, issues: list[Issue]):
        self.root: Node | None = None
        self._open: list[Node] = []
        self._issues = issues
        self.parser = expat.ParserCreate("UTF-8", namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._doctype
        self.parser.ProcessingInstructionHandler = self._instruction

    def _doctype(self, *_: Any) -> None:
        raise XmlError("a document type (DOCTYPE) is not allowed", self.parser.CurrentLineNumber)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= MAX_DEPTH:
            deep = f"nested more than {MAX_DEPTH} levels deep"
            raise XmlError(deep, self.parser.CurrentLineNumber)
        space, _, name = tag.rpartition(" ")
        node = Node(space, name, attributes, self.parser.CurrentLineNumber)
        if self._open:
            self._open[-1].children.append(node)
            self._open[-1].parts.append(node)
        else:
            self.root = node
        self._open.append(node)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1].parts.append(text)
        if not text.isspace():
            self._open[-1].text += text

    def _instruction(self, _target: str, _data: str) -> None:
        if self._open:
            self._open[-1].instruction = True
            return
        text = "No processing instructions allowed in resources"
        line = self.parser.CurrentLineNumber
        id_ = "No_processing_instructions_allowed_in_resources"
        self._issues.append(Issue("error", "invalid", "", text, id_, line=line))


def xhtml(node: Node) -> str:
    """A narrative's ``div`` as the text that FHIR JSON holds."""
    space = f' xmlns="{node.space}"' if node.space else ""
    return _written(node, space)


def _written(node: Node, space: str = "") -> str:
    attributes = "".join(
        f" {_attribute(name)}={quoteattr(value)}" for name, value in node.attributes.items()
    )
    if not node.parts:
        return f"<{node.name}{space}{attributes}/>"
    inside = "".join(
        escape(part)
        if isinstance(part, str)
        else _written(part, "" if part.space == node.space else f' xmlns="{part.space}"')
        for part in node.parts
    )
    return f"<{node.name}{space}{attributes}>{inside}</{node.name}>"


def _attribute(name: str) -> str:
    space, _, bare = name.rpartition(" ")
    return f"xml:{bare}" if space == "http://www.w3.org/XML/1998/namespace" else bare
