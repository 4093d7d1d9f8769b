"""Puts together what is known of an element: source, recipe, codes, unit, mapping, rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

from adapter.explain import codes, functions
from adapter.explain.behind import behind, of_study
from adapter.explain.differences import (
    CodeUse,
    Pseudonym,
    Trace,
    deciding_entities,
)
from adapter.explain.explanation import Code, Element, Explanation, Source, Unit
from adapter.explain.find import Found, Searched
from adapter.explain.paths import resolve
from adapter.explain.rules import Rules
from adapter.fhir.order import reference_to
from adapter.settings import StudySettings
from mappings import entities as e


class Explainer:
    """Explains the elements of one resource. Nothing of a cell is in it, unless asked for."""

    def __init__(
        self,
        searched: Searched,
        found: Found,
        rules: Rules,
        *,
        with_source: bool = False,
    ):
        self.searched = searched
        self.found = found
        self.rules = rules
        self.with_source = with_source
        self.trace = Trace(found.whole, found.remap, searched.study.context)

    @property
    def settings(self) -> StudySettings:
        """The study's settings."""
        return self.searched.study.settings

    def explain(self, path: str) -> Explanation:
        """What there is to say of each primitive element at or below a path.

        Raises UsageError for a path that the resource does not hold.
        """
        resource = self.found.resource
        wanted = resolve(resource, path, self.trace.base)
        return Explanation(
            resource=reference_to(resource),
            fhir=self.settings.fhir,
            path=path,
            elements=tuple(self._element(each) for each in wanted),
        )

    def _element(self, path: str) -> Element:
        kind = self.found.resource["resourceType"]
        sources = tuple(self._sources.get(path, ()))
        return Element(
            path=f"{kind}.{path}",
            origin=self._origin(path, sources),
            sources=sources,
            codes=tuple(self._code(each) for each in self._codes.get(path, ())),
            unit=self._unit(path),
            mapping=functions.writer(path, self._called),
            rules=tuple(self.rules.of(self.found.resource, path)),
            value=self.trace.base[path] if self.with_source else None,
        )

    # --- what decides ---

    @cached_property
    def _sources(self) -> dict[str, list[Source]]:
        if self.found.own is None:
            return of_study(self.searched, self.found, self.trace, self.with_source)
        made: dict[str, list[Source]] = defaultdict(list)
        for path, fields in deciding_entities(self.trace, self.found.own).items():
            for at, field in fields:
                made[path] += behind(self.searched, self.found.made[at], field, self.with_source)
        return {path: list(dict.fromkeys(sources)) for path, sources in made.items()}

    @cached_property
    def _codes(self) -> dict[str, list[CodeUse]]:
        return self.trace.codes()

    def _code(self, use: CodeUse) -> Code:
        row = self.trace.context.tables[use.table].terms[use.term][use.row]
        place = codes.place_of(self.settings, use.table, row, use.column)
        return Code(use.table, use.term, place, row.source)

    @cached_property
    def _settings(self) -> dict[str, set[str]]:
        return self.trace.settings()

    @cached_property
    def _called(self) -> functions.Calls:
        whole, watched = self.found.whole, self.trace.watched
        return functions.called(lambda: self.found.remap(whole, watched), self.found.resource)

    # --- what it comes to ---

    def _origin(self, path: str, sources: Sequence[Source]) -> str:
        pseudonym = self._pseudonym(path)
        if pseudonym is not None:
            return _of_pseudonym(pseudonym, sources, self.searched.study.context.study)
        for setting, paths in self._settings.items():
            if path in paths:
                return f"the study's setting {setting} ({self.settings.where(setting)})"
        if any(source.place for source in sources):
            return "the source"
        if any(source.line for source in sources):
            return "a constant of the recipe"
        if sources:
            return "the default of the entity: no recipe fills the field"
        if path in self._codes:
            return "a constant of the mapping, by its code table"
        return "a constant of the mapping"

    def _pseudonym(self, path: str) -> Pseudonym | None:
        value = self.trace.base[path]
        if not isinstance(value, str):
            return None
        return self.trace.pseudonyms.get(value.rsplit("/", 1)[-1])

    def _unit(self, path: str) -> Unit | None:
        """The rule of a quantity's unit, for its value as for the unit itself."""
        parent, _, _ = path.rpartition(".")
        ucum = self.trace.base.get(f"{parent}.code") if parent else None
        if self.trace.base.get(f"{parent}.system") != "http://unitsofmeasure.org":
            return None
        given = self._sources.get(f"{parent}.code", [])
        table = self.trace.context.tables["measurement"]
        lines = [
            codes.place_of(self.settings, table.name, row, "unit")
            for term in dict.fromkeys(use.term for uses in self._codes.values() for use in uses)
            if term in table
            for row in table.terms[term]
            if row.unit == ucum
        ]
        return Unit(str(ucum), tuple(given), tuple(dict.fromkeys(lines)))


def _of_pseudonym(found: Pseudonym, sources: Sequence[Source], study: e.Key) -> str:
    if found.key == study:
        return "keyed pseudonym of the study's id (setting study)"
    columns = dict.fromkeys(column for source in sources for column in source.columns)
    of = f" columns {', '.join(columns)}" if columns else ""
    return f"keyed pseudonym of the key{of} (docs/ids.md)"
