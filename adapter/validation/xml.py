"""FHIR XML as the same dict that FHIR JSON gives, so that one validator serves both.

The StructureDefinitions say what repeats, what is a number and what an attribute. What JSON cannot
show (order, namespaces, stray text and attributes, unknown elements) is reported here.
https://hl7.org/fhir/R4/xml.html
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from adapter.validation import json_text
from adapter.validation.definitions import Definitions
from adapter.validation.issues import Issue
from adapter.validation.xml_tree import FHIR, Node, XmlError, read_tree, xhtml

WHOLE_NUMBERS = frozenset({"integer", "positiveInt", "unsignedInt"})
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_SYSTEM = "http://hl7.org/fhirpath/System."


class Child(NamedTuple):
    """An element definition, as far as reading needs it."""

    name: str  # ends in [x] for a choice
    order: int
    repeats: bool
    attribute: bool
    types: tuple[str, ...]
    shape: tuple[str, str] | None  # of an element defined in place: its structure and path


class Shape(NamedTuple):
    """The children that an element may have."""

    children: dict[str, Child]
    profile: str  # URL|version of the definition


class Shapes:
    """The shapes of a release's types, worked out when first met."""

    def __init__(self, definitions: Definitions):
        self._definitions = definitions
        self._known: dict[tuple[str, str], Shape] = {}

    def kind(self, type_: str) -> str | None:
        """``resource``, ``complex-type``, ``primitive-type``, or None for an unknown type."""
        found: str | None = self._definitions.kinds.get(type_)
        return found

    def of(self, type_: str, path: str) -> Shape:
        """The shape of an element of a type; a type's own path is its name."""
        key = (type_, path)
        if key not in self._known:
            self._known[key] = self._make(type_, path)
        return self._known[key]

    def _make(self, type_: str, path: str) -> Shape:
        structure = self._definitions.structure(type_) or {}
        elements = structure.get("snapshot", {}).get("element", [])
        parents = {e["path"].rpartition(".")[0] for e in elements}
        children: dict[str, Child] = {}
        for element in elements:
            parent, _, name = element["path"].rpartition(".")
            if parent == path:
                child = self._child(type_, element, len(children), parents)
                for each in (name, *_choice_names(name, child.types)):
                    children[each] = child
        profile = f"{structure.get('url')}|{structure.get('version')}"
        return Shape(children, profile)

    def _child(self, type_: str, element: dict[str, Any], order: int, parents: set[str]) -> Child:
        path = element["path"]
        shape = None
        if reference := element.get("contentReference"):
            shape = (type_, reference.rpartition("#")[2])
        elif path in parents:
            shape = (type_, path)
        return Child(
            path.rpartition(".")[2],
            order,
            element.get("base", element).get("max") != "1",
            "xmlAttr" in element.get("representation", ()),
            tuple(_type_code(t) for t in element.get("type", ())),
            shape,
        )


def _choice_names(name: str, types: tuple[str, ...]) -> list[str]:
    if not name.endswith("[x]"):
        return []
    return [name[:-3] + kind[:1].upper() + kind[1:] for kind in types]


def _type_code(kind: dict[str, Any]) -> str:
    code: str = kind.get("code", "")
    return "string" if code.startswith(_SYSTEM) else code


_shapes: WeakKeyDictionary[Definitions, Shapes] = WeakKeyDictionary()


def parse_xml(data: bytes, definitions: Definitions) -> tuple[dict[str, Any] | None, list[Issue]]:
    """The resource of an XML document, and what is wrong with the document."""
    try:
        tree = read_tree(data)
    except XmlError as error:
        message = f"Error parsing XML: {error.message}"
        return None, [Issue("fatal", "invalid", "", message, line=error.line)]
    shapes = _shapes.get(definitions) or _shapes.setdefault(definitions, Shapes(definitions))
    root = tree.root
    if root.space != FHIR or shapes.kind(root.name) != "resource":
        message = (
            "This content cannot be parsed (unknown or unrecognized XML Root element "
            f"namespace/name '{root.space or 'noNamespace'}::{root.name}')"
        )
        id_ = "This_does_not_appear_to_be_a_FHIR_resource_unknown_namespacename_"
        fatal = Issue("fatal", "structure", root.name, message, id_, line=root.line)
        return None, [*tree.issues, fatal]
    reader = _Reader(shapes, tree.issues)
    return reader.resource(root, root.name), tree.issues


class _Reader:
    """Turns nodes into JSON's dicts along the shapes of their types."""

    def __init__(self, shapes: Shapes, issues: list[Issue]):
        self._shapes = shapes
        self._issues = issues

    def resource(self, node: Node, path: str) -> dict[str, Any]:
        shape = self._shapes.of(node.name, node.name)
        return {"resourceType": node.name, **self._complex(node, shape, path, node.name)}

    def _complex(self, node: Node, shape: Shape, path: str, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = self._attributes(node, shape, path, kind)
        self._check_content(node, path)
        counts: dict[str, int] = {}
        last: Node | None = None
        last_order = -1
        for item in node.children:
            child = shape.children.get(item.name)
            if child is None or child.attribute:
                message = f"Undefined element '{item.name}' at {path}"
                self._fault(item.line, path, message, "Undefined_element_")
                continue
            index = counts[item.name] = counts.get(item.name, -1) + 1
            place = _place(path, item.name, child, index)
            if child.order < last_order and last is not None:
                self._out_of_order(item, last, place, shape)
            last, last_order = item, child.order
            self._element(found, item, child, place, index)
        self._too_many(node, shape, path, counts)
        return found

    def _attributes(self, node: Node, shape: Shape, path: str, kind: str) -> dict[str, Any]:
        found = {}
        for name, value in node.attributes.items():
            child = shape.children.get(name)
            if child is not None and child.attribute:
                found[name] = value
            else:
                bare = name.rpartition(" ")[2]
                message = f"Undefined attribute '@{bare}' on {node.name} for type {kind}"
                id_ = "Undefined_attribute__on__for_type__properties__"
                self._fault(node.line, path, message, id_)
        return found

    def _check_content(self, node: Node, path: str) -> None:
        if text := " ".join(node.text.split()):
            message = f"Text should not be present ('{json_text.shortened(text)}')"
            self._fault(node.line, path, message, "Text_should_not_be_present")
        if node.instruction:
            self._fault(node.line, path, "Node type 7 is not allowed", "Node_type__is_not_allowed")

    def _check_space(self, node: Node, path: str) -> None:
        if node.space != FHIR:
            message = f"Wrong namespace - expected '{FHIR}'"
            self._fault(node.line, path, message, "Wrong_namespace__expected_")

    def _element(
        self, found: dict[str, Any], item: Node, child: Child, path: str, index: int
    ) -> None:
        name = item.name
        kind = _kind(name, child)
        if kind == "xhtml":
            found.setdefault(name, xhtml(item))
            return
        self._check_space(item, path)
        if child.shape is None and self._shapes.kind(kind) == "primitive-type":
            value, extra = self._primitive(item, kind, path)
            _add_primitive(found, name, value, extra, index, repeats=child.repeats)
            return
        if child.shape is None and self._is_resource(kind):
            made = self._resource_in(item, path)
        else:
            made = self._complex(item, self._shape(child, kind), path, kind)
        if child.repeats:
            found.setdefault(name, []).append(made)
        else:
            found.setdefault(name, made)

    def _is_resource(self, kind: str) -> bool:
        return self._shapes.kind(kind) == "resource" or kind in ("Resource", "DomainResource")

    def _shape(self, child: Child, kind: str) -> Shape:
        return self._shapes.of(*child.shape) if child.shape else self._shapes.of(kind, kind)

    def _resource_in(self, item: Node, path: str) -> dict[str, Any]:
        """A resource in a resource: the one element inside."""
        self._check_content(item, path)
        if not item.children:
            return {}
        inner = item.children[0]
        self._check_space(inner, path)
        if self._shapes.kind(inner.name) != "resource":
            message = (
                "Contained resource does not appear to be a FHIR resource "
                f"(unknown name '{inner.name}')"
            )
            id_ = "Contained_resource_does_not_appear_to_be_a_FHIR_resource_unknown_name_"
            self._fault(inner.line, path, message, id_)
            return {}
        for extra in item.children[1:]:
            message = f"Undefined element '{extra.name}' at {path}"
            self._fault(extra.line, path, message, "Undefined_element_")
        ids = [c.attributes.get("value") for c in inner.children if c.name == "id"]
        return self.resource(inner, f"{path}/*{inner.name}/{ids[0] if ids else 'null'}*/")

    def _primitive(self, item: Node, kind: str, path: str) -> tuple[Any, dict[str, Any]]:
        """The value in JSON's type, and what stands beside it: id and extensions."""
        text = item.attributes.pop("value", None)
        extra = self._complex(item, self._shapes.of(kind, kind), path, kind)
        if text is None:
            return None, extra
        return typed(text, kind), extra

    def _too_many(self, node: Node, shape: Shape, path: str, counts: dict[str, int]) -> None:
        """An element that stands twice where JSON has room for one."""
        for name, last in counts.items():
            child = shape.children[name]
            if last and not child.repeats:
                message = (
                    f"{path}.{child.name}: max allowed = 1, but found {last + 1} "
                    f"(from {shape.profile})"
                )
                self._fault(node.line, path, message, "Validation_VAL_Profile_Maximum", shape)

    def _out_of_order(self, item: Node, last: Node, path: str, shape: Shape) -> None:
        message = (
            f"As specified by profile {shape.profile}, Element '{item.name}' is out of order "
            f"(found after {last.name})"
        )
        self._fault(item.line, path, message, "Validation_VAL_Profile_OutOfOrder", shape)

    def _fault(
        self, line: int, path: str, message: str, id_: str, shape: Shape | None = None
    ) -> None:
        profile = shape.profile.partition("|")[0] if shape else None
        self._issues.append(Issue("error", "structure", path, message, id_, profile, line=line))


def typed(text: str, kind: str) -> Any:
    """An XML value as JSON writes it; left as text where it is none, for the validator to say."""
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind in WHOLE_NUMBERS and _WHOLE.fullmatch(text):
        return json_text.integer(text)
    if kind == "decimal" and _NUMBER.fullmatch(text):
        return json_text.number(text)
    return text


def _kind(name: str, child: Child) -> str:
    if not child.name.endswith("[x]"):
        return child.types[0] if child.types else ""
    tail = name[len(child.name) - 3 :]
    return next(t for t in child.types if t[:1].upper() + t[1:] == tail)


def _place(path: str, name: str, child: Child, index: int) -> str:
    if child.name.endswith("[x]"):
        return f"{path}.{child.name[:-3]}.ofType({_kind(name, child)})"
    return f"{path}.{name}[{index}]" if child.repeats else f"{path}.{name}"


def _add_primitive(
    found: dict[str, Any],
    name: str,
    value: Any,
    extra: dict[str, Any],
    index: int,
    *,
    repeats: bool,
) -> None:
    """JSON keeps a primitive's value and what stands beside it in two properties."""
    beside = extra or (None if value is not None else {})
    if not repeats:
        if index == 0 and value is not None:
            found[name] = value
        if index == 0 and beside is not None:
            found[f"_{name}"] = beside
        return
    if value is not None or name in found:
        found.setdefault(name, [None] * index).append(value)
    if beside is not None or f"_{name}" in found:
        found.setdefault(f"_{name}", [None] * index).append(beside)
