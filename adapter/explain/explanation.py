"""What ``explain`` says: for programs as JSON, for people as lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapter.errors import Where
from adapter.explain.functions import Function
from adapter.explain.rules import Rule


def place_json(where: Where | None) -> dict[str, Any] | None:
    """The parts of a place that are known."""
    if where is None:
        return None
    parts = {name: getattr(where, name) for name in where.__slots__}
    return {name: part for name, part in parts.items() if part is not None}


@dataclass(frozen=True, slots=True)
class Source:
    """What an element was read from: a row and its columns, by a line of study.yaml.

    Without ``place`` it is a constant of the recipe; without ``line`` too, an entity's default.
    """

    entity: str | None = None
    field: str | None = None
    place: Where | None = None
    columns: tuple[str, ...] = ()
    recipe: str | None = None
    line: Where | None = None  # in study.yaml
    decoded: Where | None = None  # where the source's own code is explained
    described: Where | None = None  # in the source's data dictionary
    rule: str | None = None
    cells: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The source as ``explain --format json`` prints it."""
        found = {
            "entity": self.entity,
            "field": self.field,
            **(place_json(self.place) or {}),
            "columns": list(self.columns) or None,
            "recipe": self.recipe,
            "recipeLine": place_json(self.line),
            "codeLine": place_json(self.decoded),
            "dictionaryLine": place_json(self.described),
            "rule": self.rule,
            "cells": dict(self.cells) or None,
        }
        return {name: value for name, value in found.items() if value is not None}

    def lines(self) -> Iterator[tuple[str, str]]:
        """The source in words."""
        if self.place:
            columns = f" column {', '.join(self.columns)}" if self.columns else ""
            yield "source", f"{self.place}{columns}"
        if self.cells:
            yield "cell", ", ".join(f"{name} = {text!r}" for name, text in self.cells)
        if self.described and self.described != self.place:
            yield "dictionary", str(self.described)
        if self.line:
            yield "recipe", f"{self.recipe or 'study'} ({self.line})"
        if self.decoded:
            yield "local code", str(self.decoded)
        if self.rule:
            yield "rule", self.rule
        if self.field:
            yield "field", f"{self.entity}.{self.field}"


@dataclass(frozen=True, slots=True)
class Code:
    """The line of a code table that an element was taken from."""

    table: str
    term: str
    place: Where
    verified: str  # the public source that the code was verified in

    def to_json(self) -> dict[str, Any]:
        """The code as ``explain --format json`` prints it."""
        where = place_json(self.place) or {}
        return {"table": self.table, "term": self.term, **where, "source": self.verified}


@dataclass(frozen=True, slots=True)
class Unit:
    """A UCUM unit, what gave it, and the code lines that hold for it."""

    ucum: str
    given: tuple[Source, ...]
    codes: tuple[Where, ...]

    def to_json(self) -> dict[str, Any]:
        """The unit as ``explain --format json`` prints it."""
        return {
            "ucum": self.ucum,
            "from": [source.to_json() for source in self.given],
            "codeFollowsUnit": [place_json(where) for where in self.codes],
        }

    def __str__(self) -> str:
        given = [str(source.place or source.line) for source in self.given if source.line]
        said = f"{self.ucum}, from {', '.join(given) or 'the mapping'}"
        follows = ", ".join(str(where) for where in self.codes)
        return f"{said}; the code follows it: {follows}" if follows else said


@dataclass(frozen=True, slots=True)
class Element:
    """One primitive element of a resource, and everything behind it."""

    path: str
    origin: str
    sources: tuple[Source, ...]
    codes: tuple[Code, ...]
    unit: Unit | None
    mapping: Function | None
    rules: tuple[Rule, ...]
    value: Any = None

    def to_json(self) -> dict[str, Any]:
        """The element as ``explain --format json`` prints it."""
        found = {
            "path": self.path,
            "origin": self.origin,
            "sources": [source.to_json() for source in self.sources],
            "codes": [code.to_json() for code in self.codes],
            "unit": self.unit.to_json() if self.unit else None,
            "mapping": self.mapping.to_json() if self.mapping else None,
            "rules": [rule.to_json() for rule in self.rules],
        }
        return found if self.value is None else {**found, "value": self.value}

    def lines(self) -> Iterator[tuple[str, str]]:
        """The element in words: pairs of what it is and what it says."""
        yield "from", self.origin
        if self.value is not None:
            yield "value", str(self.value)
        for source in self.sources:
            yield from source.lines()
        for code in self.codes:
            yield "code table", f"{code.place} (term {code.term})"
        if self.unit:
            yield "unit", str(self.unit)
        if self.mapping:
            yield "mapping", str(self.mapping)
        for rule in self.rules:
            yield "profile", str(rule)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where the elements at or below a path of a resource came from."""

    resource: str
    fhir: str
    path: str
    elements: tuple[Element, ...]
    refused: tuple[str, ...] = ()  # why the gate keeps the resource back, where it does

    def to_json(self) -> dict[str, Any]:
        """The explanation as ``explain --format json`` prints it."""
        return {
            "resource": self.resource,
            "fhir": self.fhir,
            "path": self.path,
            "refused": list(self.refused),
            "elements": [element.to_json() for element in self.elements],
        }
