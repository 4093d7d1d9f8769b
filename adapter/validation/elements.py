"""A StructureDefinition's snapshot as a tree of elements and their slices.

https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

EXTENSION = "http://hl7.org/fhir/StructureDefinition/"
FHIR_TYPE = EXTENSION + "structuredefinition-fhir-type"
SYSTEM_TYPE = "http://hl7.org/fhirpath/System."


@dataclass
class Element:
    """One ElementDefinition, with the elements below it and the slices of it."""

    definition: dict[str, Any]
    children: list[Element] = field(default_factory=list)
    slices: list[Element] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Such as ``Observation.component.code``."""
        path: str = self.definition["path"]
        return path

    @property
    def id(self) -> str:
        """Such as ``Observation.component:systolic.code``."""
        found: str = self.definition.get("id") or self.path
        return found

    @cached_property
    def name(self) -> str:
        """The last step of the path, with ``[x]`` for a choice."""
        return self.path.rsplit(".", 1)[-1]

    @property
    def slice_name(self) -> str | None:
        """The name of the slice this is, if it is one."""
        return self.definition.get("sliceName")

    @cached_property
    def types(self) -> list[dict[str, Any]]:
        """The types allowed, with their ``code`` as FHIR names it."""
        return [{**t, "code": type_code(t)} for t in self.definition.get("type", ())]

    @cached_property
    def minimum(self) -> int:
        """How often the element must be there."""
        return int(self.definition.get("min") or 0)

    @cached_property
    def maximum(self) -> float:
        """How often it may be there."""
        stated = self.definition.get("max", "*")
        return float("inf") if stated == "*" else int(stated)

    @cached_property
    def repeats(self) -> bool:
        """Whether JSON holds an array: the base decides, whatever a profile allows."""
        base = self.definition.get("base", {}).get("max") or self.definition.get("max", "*")
        return bool(base != "1" and base != "0")

    @property
    def slicing(self) -> dict[str, Any] | None:
        """How the slices are told apart."""
        return self.definition.get("slicing")

    def value(self, prefix: str) -> tuple[str, Any] | None:
        """(type, value) of ``fixed[x]``, ``pattern[x]``, ``minValue[x]`` or ``maxValue[x]``."""
        for key, value in self.definition.items():
            if key.startswith(prefix) and key != prefix:
                return key[len(prefix) :], value
        return None

    def child(self, name: str) -> Element | None:
        """The element below by its name; ``value`` finds ``value[x]``."""
        for one in self.children:
            if one.name in (name, f"{name}[x]"):
                return one
        return None

    def walk(self) -> Iterator[Element]:
        """The element and all below it, slices included."""
        yield self
        for one in (*self.children, *self.slices):
            yield from one.walk()


def type_code(declared: dict[str, Any]) -> str:
    """A type as FHIR names it: the primitives' own ``System.String`` told by its extension."""
    code: str = declared.get("code", "")
    if code.startswith(SYSTEM_TYPE):
        for extension in declared.get("extension", ()):
            if extension["url"] == FHIR_TYPE:
                found: str = extension.get("valueUrl") or extension.get("valueUri") or "string"
                return found
        return code.removeprefix(SYSTEM_TYPE).lower()
    return code


def tree(structure: dict[str, Any]) -> Element:
    """The root element of a structure's snapshot."""
    definitions = structure["snapshot"]["element"]
    root = Element(definitions[0])
    by_id = {root.id: root}
    for definition in definitions[1:]:
        element = Element(definition)
        by_id[element.id] = element
        _place(element, by_id)
    return root


def _place(element: Element, by_id: dict[str, Element]) -> None:
    if element.slice_name and ":" in element.id.rsplit(".", 1)[-1]:
        sliced = by_id.get(element.id.rsplit(":", 1)[0])
        if sliced is not None:
            if "/" in element.slice_name and (outer := _outer(element, sliced)):
                outer.slices.append(element)
            else:
                sliced.slices.append(element)
            return
    parent = by_id.get(element.id.rsplit(".", 1)[0])
    if parent is not None:
        parent.children.append(element)


def _outer(element: Element, sliced: Element) -> Element | None:
    name = (element.slice_name or "").rsplit("/", 1)[0]
    return next((one for one in sliced.slices if one.slice_name == name), None)
