"""Elements of StructureDefinitions as paths of maps and searches name them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adapter.validation.definitions import CORE, Definitions
from adapter.validation.resources.common import Json, extensions

FHIR_TYPE = CORE + "structuredefinition-fhir-type"


@dataclass(frozen=True, slots=True)
class ElementAt:
    """An element and the structure that defines it."""

    structure: Json
    element: Json

    @classmethod
    def root(cls, structure: Json | None) -> ElementAt | None:
        """The first element of a structure."""
        elements = _snapshot(structure) if structure else []
        return cls(structure, elements[0]) if structure and elements else None

    @property
    def path(self) -> str:
        """Its path, with the type at its start."""
        return str(self.element["path"])

    @property
    def is_slice(self) -> bool:
        """Whether it describes one slice of an element."""
        return "sliceName" in self.element


def _snapshot(structure: Json) -> list[Json]:
    elements: list[Json] = structure.get("snapshot", {}).get("element", [])
    return elements


def type_definition(definitions: Definitions, name: str) -> Json | None:
    """The definition of a type, by its name or the URL of any structure."""
    found = definitions.structure(name)
    if found is None or "/" in name:
        return found
    return found if found.get("derivation") != "constraint" else None


def type_names(element: Json) -> list[str]:
    """The types of an element, as FHIR names them."""
    return [_working_code(one) for one in element.get("type", [])]


def _working_code(given: Json) -> str:
    for extension in extensions(given, FHIR_TYPE):
        return str(extension.get("valueUrl") or extension.get("valueUri"))
    return str(given.get("code"))


def _base_name(element: Json) -> str:
    return str(element["path"]).rsplit(".", 1)[-1].removesuffix("[x]")


def children_of(at: ElementAt) -> list[Json]:
    """The elements directly below one, in its own structure."""
    path, element_id = at.path, at.element.get("id")
    found = []
    capturing = element_id is None
    for element in _snapshot(at.structure):
        if not capturing:
            capturing = element.get("id") == element_id
            continue
        if element["path"] == path and element_id is not None:
            break
        tail = element["path"].removeprefix(path + ".")
        if tail != element["path"] and "." not in tail:
            found.append(element)
    return found


def within(definitions: Definitions, at: ElementAt, kind: str | None, name: str) -> list[ElementAt]:
    """The elements called ``name`` below one, whose type was narrowed to ``kind``."""
    listed = children_of(at)
    if not listed:
        return list(_within_types(definitions, at, kind, name))
    named = (one for one in listed if _base_name(one) == name)
    return [_referred(definitions, ElementAt(at.structure, one)) for one in named]


def _referred(definitions: Definitions, at: ElementAt) -> ElementAt:
    reference = at.element.get("contentReference")
    if not isinstance(reference, str):
        return at
    url, _, path = reference.partition("#")
    structure = at.structure
    if url and url != structure.get("url"):
        structure = definitions.structure(url) or structure
    elements = _snapshot(structure)
    found = next((e for e in elements if path in (e.get("id"), e["path"])), None)
    return ElementAt(structure, found) if found else at


def _within_types(
    definitions: Definitions, at: ElementAt, kind: str | None, name: str
) -> Iterator[ElementAt]:
    narrowed = type_definition(definitions, kind) if kind else None
    for code in type_names(at.element):
        structure = type_definition(definitions, code)
        if structure is None:
            continue
        if narrowed is not None and _derives(definitions, narrowed, structure):
            structure = narrowed
        if kind in (None, CORE + code, structure["type"]):
            for element in _snapshot(structure):
                if element["path"].count(".") == 1 and _base_name(element) == name:
                    yield ElementAt(structure, element)


def _derives(definitions: Definitions, structure: Json, ancestor: Json) -> bool:
    here: Json | None = structure
    while here is not None:
        if here["url"] == ancestor["url"]:
            return True
        base = here.get("baseDefinition")
        here = definitions.structure(base) if isinstance(base, str) else None
    return False
