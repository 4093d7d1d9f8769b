"""Whether a code is a member of a ValueSet: compose, imports, filters and expansions.

https://hl7.org/fhir/valueset.html#compositions. A value set whose systems have no content here
gives None: neither member nor not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from adapter.validation.code_systems import CodeSystem

Json = dict[str, Any]
# R4's and R4B's own value sets were written when several imports of an include meant a union
UNION = "http://hl7.org/fhir/ValueSet/"
MIME_TYPES = "urn:ietf:bcp:13"
SHORT_MIME_TYPES = frozenset({"xml", "json", "ttl"})


class UnresolvedError(Exception):
    """A value set, or what it needs, cannot be evaluated here."""


class NoServiceError(UnresolvedError):
    """Only a terminology server could say."""


class Sources(Protocol):
    """Where value sets and code systems come from."""

    def value_set_index(self, url: str) -> ValueSet | None:
        """A value set by its canonical."""

    def system(self, url: str, version: str | None = None) -> CodeSystem | None:
        """A code system by its URL, None when it, or the version asked for, is unknown."""


@dataclass(slots=True)
class Trace:
    """What was met on the way to an answer."""

    unsupported: bool = False
    fragment: bool = False
    asked: set[str] = field(default_factory=set)  # systems of includes that were looked into
    unknown_value_sets: list[str] = field(default_factory=list)
    within: list[ValueSet] = field(default_factory=list)  # the imports that led here
    inactive: bool = False
    deprecated: str | None = None


@dataclass(frozen=True, slots=True)
class Include:
    """One include or exclude of a compose."""

    system: str | None
    version: str | None
    codes: dict[str, Json]
    filters: tuple[Json, ...]
    value_sets: tuple[str, ...]
    listed: bool

    @classmethod
    def read(cls, include: Json) -> Include:
        """An include from its JSON; raises TypeError for one that is not FHIR."""
        concepts, filters = include.get("concept", []), include.get("filter", [])
        imports = include.get("valueSet", [])
        system, version = include.get("system"), include.get("version")
        if not all(isinstance(one, dict) for one in (*concepts, *filters)):
            raise TypeError("a concept or filter is not an object")
        if not all(isinstance(one, str) for one in (*imports, system or "", version or "")):
            raise TypeError("a value set, system or version is not a string")
        codes = {c["code"]: c for c in concepts if isinstance(c.get("code"), str)}
        return cls(system, version, codes, tuple(filters), tuple(imports), bool(concepts))


class ValueSet:
    """One ValueSet resource, ready for questions of membership."""

    def __init__(self, resource: Json, sources: Sources, union_imports: bool):
        self.url: str = resource.get("url", "")
        self.version: str | None = resource.get("version")
        self.name: str = resource.get("title") or resource.get("name") or self.url
        self.language: str | None = resource.get("language")
        compose = resource.get("compose") or {}
        self.has_compose = bool(compose)
        self.includes = tuple(Include.read(i) for i in compose.get("include", []))
        self.excludes = tuple(Include.read(i) for i in compose.get("exclude", []))
        self.active_only = compose.get("inactive") is False
        self.expansion = _expansion(resource)
        self.union_imports = union_imports and self.url.startswith(UNION)
        self._sources = sources

    @property
    def canonical(self) -> str:
        """URL and version."""
        return f"{self.url}|{self.version}" if self.version else self.url

    def contains(
        self, system: str | None, code: str | None, trace: Trace, trust_lists: bool = False
    ) -> bool | None:
        """Whether the value set has a code; None when that cannot be known here.

        Raises UnresolvedError where a coding without code meets a filter.

        ``trust_lists`` takes an include's list of concepts at its word where the system itself
        has no content; HL7's validator does not without a server.
        """
        if self.expansion is not None:
            return (system, code) in self.expansion
        if self in trace.within:  # an import that leads back to where it came from adds nothing
            return False
        trace.within.append(self)
        try:
            return self._composed(system, code, trace, trust_lists)
        finally:
            trace.within.pop()

    def systems_of(self, code: str, within: tuple[ValueSet, ...] = ()) -> set[str]:
        """The systems in which a bare code may be meant; ``within`` are the imports that led here.

        Raises NoServiceError when an include needs a server, UnresolvedError when an import is
        unknown.
        """
        found: set[str] = set()
        if self.expansion is not None and not self.has_compose:
            found.update(system or "" for system, one in self.expansion if one == code)
        elif self not in within:
            for include in self.includes:
                for url in include.value_sets:
                    found |= self._import(url).systems_of(code, (*within, self))
                if include.system is not None and self._may_mean(include, include.system, code):
                    found.add(include.system)
        return found

    def _may_mean(self, include: Include, url: str, code: str) -> bool:
        system = self._sources.system(url, include.version)
        if include.filters and not self._filtered(include, system, code):
            return False
        if system is not None and system.content == "complete":
            if not include.listed:
                return system.find(code) is not None
            same = (lambda c: c == code) if system.case_sensitive else _caseless(code)
            return any(same(one) for one in include.codes)
        if include.listed:
            return code in include.codes
        if url == MIME_TYPES and code in SHORT_MIME_TYPES:
            return True
        raise NoServiceError(url)

    def _filtered(self, include: Include, system: CodeSystem | None, code: str) -> bool:
        if system is None or not system.usable:
            return False
        return all(_passes(system, one, code) for one in include.filters) and (
            system.find(code) is not None
        )

    def _composed(
        self, system: str | None, code: str | None, trace: Trace, trust_lists: bool
    ) -> bool | None:
        result: bool | None = False
        only = len(self.includes) == 1
        for include in self.includes:
            inside = self._in(include, system, code, trace, trust_lists, only)
            if inside:
                result = True
                break
            if inside is None:
                result = None
        for exclude in self.excludes:
            outside = self._in(exclude, system, code, trace, trust_lists, False)
            if outside:
                return False
            if outside is None and result is False:
                result = None
        return result

    def _in(
        self,
        include: Include,
        system: str | None,
        code: str | None,
        trace: Trace,
        trust_lists: bool,
        only: bool,
    ) -> bool | None:
        imported = self._imported(include, system, code, trace, trust_lists)
        if include.value_sets and self.union_imports and imported:
            return True
        if include.system is None or not imported:
            return imported
        if only and system is None and code in include.codes:
            return True
        if system != include.system:
            return False
        if code is None and include.filters:
            raise UnresolvedError(f"a coding of {system} has no code to filter")
        if code is None:
            return False
        return self._in_system(include, include.system, code, trace, trust_lists)

    def _imported(
        self,
        include: Include,
        system: str | None,
        code: str | None,
        trace: Trace,
        trust_lists: bool,
    ) -> bool | None:
        if not include.value_sets:
            return True
        answers: list[bool | None] = []
        for url in include.value_sets:
            imported = self._sources.value_set_index(url)
            if imported is None:
                trace.unknown_value_sets.append(url)
                answers.append(None)
            else:
                answers.append(imported.contains(system, code, trace, trust_lists))
        decisive = self.union_imports
        if decisive in answers:
            return decisive
        return None if None in answers else not decisive

    def _import(self, url: str) -> ValueSet:
        found = self._sources.value_set_index(url)
        if found is None:
            raise UnresolvedError(f"the value set {url} is unknown")
        return found

    def _in_system(
        self, include: Include, url: str, code: str, trace: Trace, trust_lists: bool
    ) -> bool | None:
        trace.asked.add(url)
        system = self._sources.system(url, include.version)
        if system is None or not system.usable:
            if trust_lists and include.listed and not include.filters:
                return code in include.codes
            trace.unsupported = True
            return None
        concept = system.find(code)
        if self.active_only and (concept is None or concept.inactive):
            trace.inactive = True
            return False
        if system.content == "fragment":
            trace.fragment = True
        if not all(_passes(system, one, code) for one in include.filters):
            return False
        if concept is None:
            return False
        if not include.listed:
            return True
        listed = include.codes.get(code)
        if listed is None:
            return False
        trace.deprecated = _standards_status(listed) or trace.deprecated
        return True

    def codes(self, within: tuple[ValueSet, ...] = ()) -> set[tuple[str | None, str]] | None:
        """Every (system, code) that may be a member, None when that cannot be listed here."""
        if self.expansion is not None:
            return set(self.expansion)
        found: set[tuple[str | None, str]] = set()
        for include in self.includes if self not in within else ():
            listed = self._codes_of(include, (*within, self))
            if listed is None:
                return None
            found |= listed
        return found

    def _codes_of(
        self, include: Include, within: tuple[ValueSet, ...]
    ) -> set[tuple[str | None, str]] | None:
        if include.system is None:
            found: set[tuple[str | None, str]] = set()
            for url in include.value_sets:
                imported = self._sources.value_set_index(url)
                codes = None if imported is None else imported.codes(within)
                if codes is None:
                    return None
                found |= codes
            return found
        if include.listed:
            return {(include.system, code) for code in include.codes}
        system = self._sources.system(include.system, include.version)
        if system is None or system.content != "complete" or not system.concepts:
            return None
        return {(include.system, code) for code in system.concepts}


def _caseless(code: str) -> Callable[[str], bool]:
    folded = code.lower()
    return lambda one: one.lower() == folded


def _standards_status(listed: Json) -> str | None:
    for extension in listed.get("extension", []):
        url = str(extension.get("url"))
        if url.endswith("structuredefinition-standards-status"):
            status = extension.get("valueCode")
            return status if status in ("withdrawn", "deprecated") else None
        if url.endswith("valueset-deprecated"):
            return "deprecated"
    return None


def _expansion(resource: Json) -> frozenset[tuple[str | None, str]] | None:
    contains = (resource.get("expansion") or {}).get("contains")
    if contains is None:
        return None
    found: set[tuple[str | None, str]] = set()

    def read(items: Iterable[Json]) -> None:
        for item in items:
            if isinstance(item.get("code"), str):
                found.add((item.get("system"), item["code"]))
            read(item.get("contains", []))

    read(contains)
    return frozenset(found)


def _passes(system: CodeSystem, one: Json, code: str) -> bool:
    """Whether a code passes one filter; raises UnresolvedError for one that has no meaning here."""
    name, operator, value = one.get("property"), one.get("op"), one.get("value")
    if value is None:
        raise UnresolvedError(f"the filter on {name} has no value")
    if name == "concept":
        return _in_hierarchy(system, str(operator), str(value), code)
    if name == "code" and operator == "regex":
        return _matches(code, value)
    if name == "code" and operator == "in":
        return code in _split(value)
    return _has_property(system, str(name), str(operator), str(value), code)


def _in_hierarchy(system: CodeSystem, operator: str, value: str, code: str) -> bool:
    if operator == "is-a":
        return code == value or code in system.descendants(value)
    if operator == "is-not-a":
        return not (code == value or code in system.descendants(value))
    if operator == "descendent-of":
        return code in system.descendants(value)
    if operator == "child-of":
        concept = system.concepts.get(value)
        return concept is not None and code in concept.children
    if operator == "descendent-leaf":
        return code in system.descendants(value) and not system.concepts[code].children
    if operator == "generalizes":
        return code == value or value in system.descendants(code)
    if operator == "in":
        return code in _split(value)
    if operator == "not-in":
        return code not in _split(value)
    if operator == "=":
        return code == value
    if operator == "regex":
        return _matches(code, value)
    raise UnresolvedError(f"the operator {operator} on concept is unknown")


def _has_property(system: CodeSystem, name: str, operator: str, value: str, code: str) -> bool:
    if name not in system.defined and name not in ("notSelectable", "display", "parent", "child"):
        raise UnresolvedError(f"the system {system.url} has no property {name}")
    values = [_text(v) for v in _values(system, name, code)]
    if operator == "=":
        return value in values
    if operator == "exists":
        return bool(values) == (value == "true")
    if operator == "regex":
        return any(_matches(one, value) for one in values)
    if operator == "in":
        return any(one in _split(value) for one in values)
    if operator == "not-in":
        return not any(one in _split(value) for one in values)
    raise UnresolvedError(f"the operator {operator} on {name} is unknown")


def _values(system: CodeSystem, name: str, code: str) -> list[Any]:
    concept = system.find(code)
    if concept is None:
        return []
    if name == "display":
        return [concept.display] if concept.display else []
    if name == "child":
        return list(concept.children)
    return concept.properties.get(name, [])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _split(value: str) -> set[str]:
    return {one.strip() for one in value.split(",")}


# a repeated group that itself repeats takes exponential time on some texts
NESTED = re.compile(r"[+*}]\)[+*{]")
LONGEST = 200  # of an expression that is tried at all


@cache
def _pattern(expression: str) -> re.Pattern[str]:
    if len(expression) > LONGEST or NESTED.search(expression):
        raise UnresolvedError(f"the expression {expression[:LONGEST]} is too costly to try")
    try:
        return re.compile(expression)
    except re.error as error:
        raise UnresolvedError(f"the expression {expression} is not one: {error}") from error


def _matches(text: str, expression: str) -> bool:
    # FHIR's regex filter speaks of the whole value
    return _pattern(expression).fullmatch(text) is not None
