"""What the XHTML of a narrative may hold.

https://hl7.org/fhir/R4/narrative.html#xhtml: a ``div`` in the XHTML namespace with the elements and
attributes of HTML 4 that format text, without scripts, forms, frames and objects.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from adapter.validation.issues import Issue
from adapter.validation.quick_narrative import is_harmless
from adapter.validation.uris import is_absolute_url
from adapter.validation.xhtml import DOCTYPE, XHTML, NarrativeError, Node, Parsed, parse
from adapter.validation.xhtml_elements import (
    ALLOWED,
    ATTRIBUTES,
    BLOCKS,
    CHILDREN,
    ELEMENTS,
    EMPTY,
    INLINE,
    NOT_IN_P,
    PARENTS,
    TEXT_BLOCKS,
)

_NARRATIVE = "http://hl7.org/fhir/StructureDefinition/Narrative"
_TRIMMED = "".join(chr(n) for n in range(33))  # a no-break space is content
_URL_SIGN = frozenset(";?:@&=+$.,/%-_~#[]!'()*|")
_MIME = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:\s*;.*)?")
_KNOWN_SCHEMES = ("http", "https", "tel", "mailto", "data")


def html_ok(div: object) -> bool:
    """The answer of FHIRPath's ``htmlChecks()``: all elements and attributes are allowed ones."""
    if not isinstance(div, str):
        return False
    if is_harmless(div):
        return True
    try:
        return _names_ok(parse(div).root)
    except NarrativeError:
        return False


def _names_ok(root: Node) -> bool:
    return all(
        node.name in ELEMENTS
        and all(
            one in ALLOWED[node.name] or one.startswith("xmlns") or one == "xml:space"
            for one in node.attributes
        )
        for node in (root, *root.walk())
    )


def has_content(node: Node) -> bool:
    """Whether there is an image, or text that is more than plain white space."""
    return any(
        bool(one.strip(_TRIMMED)) if isinstance(one, str) else one.name == "img" or has_content(one)
        for one in node.children
    )


def check_narrative(
    div: str, path: str, _release: str, targets: Callable[[str], int] | None = None
) -> list[Issue]:
    """Issues of a narrative's ``div``, its invariants txt-1 and txt-2 included.

    ``targets`` counts the elements with an id that a link such as ``#a`` may lead to.
    """
    if is_harmless(div):
        return []
    try:
        parsed = parse(div)
    except NarrativeError as error:
        text = f"the XHTML cannot be read: {error}"
        return [Issue("error", "invalid", path, text, "Error_parsing_XHTML_")]
    root = parsed.root
    check = _Check(path)
    check.form(parsed)
    check.invariants(root)
    check.namespace(root)
    check.names(root, False)
    check.urls(root)
    check.structure(root, "div")
    check.languages(root)
    check.identities(root)
    check.links(root, "div", targets)
    return check.issues


def check_language(resource: dict[str, Any], path: str) -> list[Issue]:
    """Warnings about a narrative that does not tell the resource's language as the resource does.

    https://hl7.org/fhir/R4/narrative.html#lang
    """
    language, narrative = resource.get("language"), resource.get("text")
    div = narrative.get("div") if isinstance(narrative, dict) else None
    if not isinstance(language, str) or not isinstance(div, str):
        return []
    try:
        root = parse(div).root
    except NarrativeError:
        return []
    plain, xml = root.attributes.get("lang"), root.attributes.get("xml:lang")
    if plain is None and xml is None and (section := _first_section(root)) is not None:
        plain, xml = section.attributes.get("lang"), section.attributes.get("xml:lang")
    prefix = "Language_XHTML_Lang_"
    if plain is None and xml is None:
        found = [(prefix + "Missing1", "the narrative has neither lang nor xml:lang")]
    else:
        found = []
        if plain is None:
            found.append((prefix + "Missing2", "the narrative has no lang"))
        elif plain != language:
            found.append((prefix + "Different1", f"lang is {plain}, the resource is {language}"))
        if xml is None:
            found.append((prefix + "Missing3", "the narrative has no xml:lang"))
        elif xml not in (language, plain):
            found.append((prefix + "Different2", f"xml:lang is {xml}, the resource is {language}"))
    return [Issue("warning", "business-rule", path, text, name) for name, text in found]


def _first_section(root: Node) -> Node | None:
    """The first section in a language, when there is nothing beside such sections."""
    sections = [one for one in root.elements() if "xml:lang" in one.attributes]
    others = any(
        one.strip(_TRIMMED) if isinstance(one, str) else one not in sections and has_content(one)
        for one in root.children
    )
    return sections[0] if sections and not others else None


class _Check:
    def __init__(self, path: str):
        self.path = path
        self.issues: list[Issue] = []

    def say(self, name: str, text: str, severity: str = "error", code: str = "invalid") -> None:
        self.issues.append(Issue(severity, code, self.path, text, name))

    def form(self, parsed: Parsed) -> None:
        for name in parsed.entities:
            text = f"the entity &{name}; is not one of XML's"
            self.say("XHTML_XHTML_Entity_Illegal", text)
        if parsed.ill_formed and not parsed.entities:
            text = f"the XHTML is not well-formed XML: {parsed.ill_formed}"
            self.issues.append(Issue("warning", "invalid", self.path, text))

    def invariants(self, root: Node) -> None:
        if not _names_ok(root):
            self._failed("txt-1", "the narrative has elements and attributes that format text only")
        if not has_content(root):
            self._failed("txt-2", "the narrative has some content that is not white space")

    def _failed(self, key: str, human: str) -> None:
        text = f"Constraint failed: {key}: '{human}'"
        name = f"{_NARRATIVE}#{key}"
        self.issues.append(Issue("error", "invariant", self.path, text, name, constraint=key))

    def namespace(self, root: Node) -> None:
        given = root.attributes.get("xmlns")
        name = "XHTML_XHTML_NS_InValid"
        if given != XHTML:
            self.say(name, f"the namespace is {XHTML}, not '{given or ''}'")
        for node in root.walk():
            if node.attributes.get("xmlns", XHTML) != XHTML:
                self.say(name, f"the namespace is {XHTML}, not '{node.attributes['xmlns']}'")
        if root.name != "div":
            self.say("XHTML_XHTML_Name_Invalid", f"the outermost element is div, not {root.name}")

    def names(self, parent: Node, in_paragraph: bool) -> None:
        for node in parent.elements():
            name = node.name
            if name == DOCTYPE:
                self.say("XHTML_XHTML_DOCTYPE_ILLEGAL", "a document type is not allowed")
            elif name not in ELEMENTS:
                self.say("XHTML_XHTML_Element_Illegal", f"the element '{name}' is not allowed")
            for one in node.attributes:
                self._attribute(name, one)
            if in_paragraph and name in NOT_IN_P:
                text = f"the element '{name}' is not allowed in a paragraph"
                self.say("XHTML_XHTML_ELEMENT_ILLEGAL_IN_PARA", text)
            self.names(node, in_paragraph or name == "p")

    def _attribute(self, element: str, name: str) -> None:
        if name.startswith("xmlns") or name in ALLOWED.get(element, ATTRIBUTES):
            return
        if name == "xml:space":
            text = "xml:space is allowed, but has no use"
            self.say("XHTML_XHTML_ATTRIBUTE_XML_SPACE", text, "information")
            return
        text = f"the attribute '{name}' is not allowed on '{element}'"
        self.say("XHTML_XHTML_Attribute_Illegal", text)

    def urls(self, root: Node) -> None:
        for node in root.walk():
            name = {"a": "href", "img": "src"}.get(node.name)
            held = node.attributes.get(name) if name else None
            if held is not None and (wrong := _url_problem(held)):
                self.say("XHTML_URL_INVALID", f"the URL '{held}' is not valid: {wrong}")

    def structure(self, parent: Node, path: str) -> None:
        code = "structure"
        for node in parent.elements():
            name, at = node.name, f"{path}/{node.name}"
            if name in TEXT_BLOCKS or name in INLINE or name in ("span", "caption", "dd", "dt"):
                blocks = [one.name for one in node.walk() if one.name in BLOCKS]
                if blocks:
                    text = f"the text element {at} holds the blocks {', '.join(blocks)}"
                    self.say("XHTML_XHTML_BLOCK_IN_PARA", text, code=code)
            if name in INLINE and any(one.name == name for one in node.walk()):
                self.say("XHTML_XHTML_NO_RECURSION", f"{at} holds another {name}", code=code)
            if name in EMPTY and node.children:
                self.say("XHTML_XHTML_NO_CHILDREN", f"{at} cannot hold anything", code=code)
            if name in CHILDREN:
                self._children(node, at)
            if name in PARENTS and parent.name not in PARENTS[name]:
                text = f"{at} stands in {parent.name}, not in {' or '.join(PARENTS[name])}"
                self.say("XHTML_XHTML_OUT_OF_PLACE", text, code=code)
            self.structure(node, at)

    def _children(self, node: Node, at: str) -> None:
        wrong = []
        for one in node.children:
            if isinstance(one, str):
                wrong += ["text"] if one.strip(_TRIMMED) else []
            elif one.name not in CHILDREN[node.name]:
                wrong.append(one.name)
        if wrong:
            text = f"{at} cannot hold {', '.join(wrong)}"
            self.say("XHTML_XHTML_ILLEGAL_CHILDREN", text, code="structure")

    def languages(self, root: Node) -> None:
        sections, others = [], False
        for one in root.children:
            if isinstance(one, Node) and one.name == "div" and "xml:lang" in one.attributes:
                sections.append(one.attributes["xml:lang"])
            elif has_content(one) if isinstance(one, Node) else one.strip(_TRIMMED):
                others = True
        if sections and others:
            text = f"there is content beside the sections in {', '.join(sections)}"
            self.say("XHTML_XHTML_MIXED_LANG", text, "warning", "business-rule")

    def identities(self, root: Node) -> None:
        seen: Counter[str] = Counter()
        for node in root.walk():
            given = node.attributes.get("id")
            named = node.attributes.get("name") if node.name == "a" else None
            seen.update({one for one in (given, named) if one is not None})
        twice = sorted(one for one, count in seen.items() if count > 1)
        if twice:
            text = f"several elements have the ids or names {', '.join(twice)}"
            self.say("XHTML_XHTML_DUPLICATE_IDS", text, "warning", "business-rule")

    def links(self, parent: Node, path: str, targets: Callable[[str], int] | None) -> None:
        for node in parent.elements():
            at = f"{path}/{node.name}"
            if node.name == "a" and "href" in node.attributes:
                self._link(node.attributes["href"], at, targets)
            elif node.name == "img" and targets is not None:
                self._image(node.attributes.get("src", ""), at, targets)
            self.links(node, at, targets)

    def _link(self, href: str, at: str, targets: Callable[[str], int] | None) -> None:
        prefix = "TYPE_SPECIFIC_CHECKS_DT_XHTML_"
        if not href.strip():
            self.say(prefix + "EMPTY_HREF", f"the link at {at} is empty")
        elif href.startswith("#"):
            count = targets(href[1:]) if targets is not None and href != "#" else 1
            if not count:
                name = "Type_Specific_Checks_DT_XHTML_Resolve"
                self.say(name, f"the link '{href}' at {at} leads nowhere")
            elif count > 1:
                text = f"the link '{href}' at {at} leads to {count} elements"
                self.say(prefix + "MULTIPLE_MATCHES", text, "warning")
        elif is_absolute_url(href):
            scheme = href.partition(":")[0]
            text = f"the link '{href}' at {at} has the scheme {scheme}"
            if scheme in ("javascript", "vbscript"):
                self.say(prefix + "ACTIVE_HREF", text + ", which is active content")
            elif scheme in ("urn", "cid"):
                self.say(prefix + "LITERAL_HREF", text + ", which leads nowhere")
            elif scheme not in _KNOWN_SCHEMES:
                self.say(prefix + "UNKNOWN_HREF", text + ", which few know", "information")

    def _image(self, source: str, at: str, targets: Callable[[str], int]) -> None:
        if not source.startswith("#"):
            return
        count = targets(source[1:])
        if not count:
            name = "Type_Specific_Checks_DT_XHTML_Resolve_Img"
            self.say(name, f"the image '{source}' at {at} leads nowhere")
        elif count > 1:
            text = f"the image '{source}' at {at} leads to {count} elements"
            self.say("TYPE_SPECIFIC_CHECKS_DT_XHTML_MULTIPLE_MATCHES", text)


def _url_problem(url: str) -> str | None:
    if not url.strip():
        return "it is empty"
    if url.startswith("data:"):
        return _data_problem(url)
    wrong = sorted({char for char in url if not (char.isalnum() or char in _URL_SIGN)})
    return f"it holds {' '.join(repr(char) for char in wrong)}" if wrong else None


def _data_problem(url: str) -> str | None:
    kind, comma, data = url[len("data:") :].partition(",")
    if not comma or not data:
        return "it has no data"
    if "," in data.rstrip(","):
        return "its data hold a comma"
    encoded = kind.endswith(";base64")
    if encoded and not _is_base64(data):
        return "its data are not valid Base64"
    mime = kind[: -len(";base64")].strip() if encoded else kind.strip()
    return f"'{mime}' is no MIME type" if mime and not _MIME.fullmatch(mime) else None


def _is_base64(data: str) -> bool:
    try:
        base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
