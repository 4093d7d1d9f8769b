"""A CodeSystem as a table of concepts: look-up, hierarchy and properties.

The rules of case, status and hierarchy are those of https://hl7.org/fhir/codesystem.html.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

URIS = "urn:ietf:rfc:3986"
STANDARDS_STATUS = "http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status"
CONCEPT_PROPERTIES = "http://hl7.org/fhir/concept-properties#"
ABSOLUTE = re.compile(r"(?:[a-z][a-z0-9]*|urn|https?|file):[^ ]+", re.DOTALL)


def is_absolute(uri: str) -> bool:
    """Whether a URI has a scheme and something after it without blanks."""
    return ABSOLUTE.fullmatch(uri) is not None


@dataclass(slots=True)
class Concept:
    """One concept; ``children`` are those nested in it and those that name it as their parent."""

    code: str
    display: str | None = None
    designations: tuple[tuple[str | None, str], ...] = ()
    properties: dict[str, list[Any]] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    standards_status: str | None = None
    any_display: bool = False  # made of a grammar: no display is wrong

    @property
    def inactive(self) -> bool:
        """Whether the concept is marked as no longer active."""
        if self.standards_status == "withdrawn":
            return True
        status = self.properties.get("status", [None])[0]
        if status in ("inactive", "retired"):
            return True
        return self.properties.get("inactive", [False])[0] in (True, "true")

    @property
    def status(self) -> str | None:
        """The concept's status, of its standards status or of its property."""
        if self.standards_status in ("deprecated", "withdrawn"):
            return self.standards_status
        found = self.properties.get("status", [None])[0]
        return found if isinstance(found, str) else None

    @property
    def abstract(self) -> bool:
        """Whether the concept only groups others."""
        names = ("notSelectable", "not-selectable", "abstract")
        return any(True in self.properties.get(name, ()) for name in names)


class CodeSystem:
    """The concepts of one CodeSystem resource; raises nothing, an odd resource is an empty one."""

    def __init__(self, resource: Json):
        self.url: str = resource.get("url", "")
        self.version: str | None = resource.get("version")
        self.content: str = resource.get("content", "complete")
        self.language: str | None = resource.get("language")
        self.case_sensitive: bool = resource.get("caseSensitive") is True
        self.supplements: str | None = resource.get("supplements")
        self.defined = frozenset(p.get("code") for p in resource.get("property", []))
        self.parent_codes = _parent_codes(resource)
        self.concepts: dict[str, Concept] = {}
        self._folded: dict[str, Concept] = {}
        self._alternates: dict[str, Concept] = {}
        self._below: dict[str, frozenset[str]] = {}
        self._read(resource.get("concept", []))
        self._link()

    @property
    def usable(self) -> bool:
        """Whether the system's own content can say that a code exists."""
        return self.content in ("complete", "fragment")

    def find(self, code: str) -> Concept | None:
        """The concept of a code, by the system's rules of case."""
        found = self.concepts.get(code) if self.case_sensitive else self._folded.get(code.lower())
        return found or self._alternates.get(code)

    def descendants(self, code: str) -> frozenset[str]:
        """The codes below a code, without the code itself."""
        if code not in self._below:
            seen: set[str] = set()
            waiting = list(self.concepts[code].children) if code in self.concepts else []
            while waiting:
                child = waiting.pop()
                if child not in seen:
                    seen.add(child)
                    waiting += self.concepts[child].children
            self._below[code] = frozenset(seen)
        return self._below[code]

    def _read(self, concepts: Any, parent: Concept | None = None) -> None:
        for one in concepts if isinstance(concepts, list) else ():
            code = one.get("code") if isinstance(one, dict) else None
            if not isinstance(code, str):
                continue
            concept = self.concepts.setdefault(code, _concept(one))
            self._folded.setdefault(code.lower(), concept)
            if parent is not None and code not in parent.children:
                parent.children.append(code)
            for alternate in concept.properties.get("alternateCode", ()):
                self._alternates.setdefault(str(alternate), concept)
            self._read(one.get("concept"), concept)

    def _link(self) -> None:
        for concept in self.concepts.values():
            for name in self.parent_codes:
                for parent in concept.properties.get(name, ()):
                    above = self.concepts.get(str(parent))
                    if above is not None and concept.code not in above.children:
                        above.children.append(concept.code)


class Uris(CodeSystem):
    """``urn:ietf:rfc:3986``: every absolute URI is a code whose display is free."""

    def __init__(self) -> None:
        super().__init__({"url": URIS})

    def find(self, code: str) -> Concept | None:
        """The URI as a concept without display, when it is absolute."""
        return Concept(code, any_display=True) if is_absolute(code) else None


class NationalIdentifiers(CodeSystem):
    """HL7 table 0203, in which ``NN`` and a country's code is a national identifier."""

    URL = "http://terminology.hl7.org/CodeSystem/v2-0203"

    def find(self, code: str) -> Concept | None:
        """The table's concept, or one made of the country's code."""
        found = super().find(code)
        national = code.startswith("NN") and len(code) > 3
        return Concept(code, any_display=True) if found is None and national else found


def of_structure(structure: Json) -> CodeSystem:
    """The elements of a StructureDefinition, which serve as codes under its canonical."""
    elements = structure.get("snapshot", {}).get("element", [])
    return CodeSystem(
        {
            "url": structure["url"],
            "version": structure.get("version"),
            "concept": [{"code": e.get("id"), "display": e.get("id")} for e in elements],
        }
    )


def with_supplements(system: Json, supplements: Iterable[Json]) -> Json:
    """The code system with the designations and properties that its supplements add."""
    added: dict[str, list[Json]] = defaultdict(list)
    for supplement in supplements:
        for concept in walk(supplement.get("concept", [])):
            added[concept.get("code", "")].append(concept)
    return {**system, "concept": [_supplemented(c, added) for c in system.get("concept", [])]}


def walk(concepts: Iterable[Json]) -> Iterator[Json]:
    """Every concept of a nested list."""
    for one in concepts:
        yield one
        yield from walk(one.get("concept", []))


def _supplemented(concept: Json, added: dict[str, list[Json]]) -> Json:
    merged = dict(concept)
    for name in ("designation", "property"):
        more = [x for one in added.get(concept.get("code", ""), ()) for x in one.get(name, [])]
        if more:
            merged[name] = [*concept.get(name, []), *more]
    if "concept" in concept:
        merged["concept"] = [_supplemented(c, added) for c in concept["concept"]]
    return merged


def _parent_codes(resource: Json) -> tuple[str, ...]:
    """The properties that name a concept's parent."""
    meant = {CONCEPT_PROPERTIES + "parent"}
    named = [p["code"] for p in resource.get("property", []) if p.get("uri") in meant]
    if resource.get("hierarchyMeaning", "is-a") == "is-a":
        named += ["subsumedBy", "parent"]
    return tuple(dict.fromkeys(named))


def _concept(one: Json) -> Concept:
    designations = tuple(
        (d.get("language"), d["value"])
        for d in one.get("designation", [])
        if isinstance(d.get("value"), str)
    )
    properties: dict[str, list[Any]] = {}
    for item in one.get("property", []):
        properties.setdefault(item.get("code", ""), []).append(_value(item))
    status = next(
        (e.get("valueCode") for e in one.get("extension", []) if e.get("url") == STANDARDS_STATUS),
        None,
    )
    return Concept(one["code"], one.get("display"), designations, properties, [], status)


def _value(item: Json) -> Any:
    if "valueCode" in item:
        return item["valueCode"]
    if "valueCoding" in item:
        return item["valueCoding"].get("code", "")
    return next((value for key, value in item.items() if key.startswith("value")), None)
