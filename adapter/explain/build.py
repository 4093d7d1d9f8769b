"""Puts together what is known of an element: source, recipe, codes, unit, mapping, rules."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from adapter.errors import Where
from adapter.explain import codes, functions
from adapter.explain.cells import Recipe, Taken, rule
from adapter.explain.differences import (
    CodeUse,
    Deciding,
    Pseudonym,
    Trace,
    deciding,
    deciding_entities,
)
from adapter.explain.explanation import Code, Element, Explanation, Source, Unit
from adapter.explain.find import Found, Searched, with_settings
from adapter.explain.paths import resolve
from adapter.explain.rules import Rules
from adapter.explain.variants import Leaf, leaves
from adapter.mapping import registered_study
from adapter.recipes import Origin
from adapter.settings import StudySettings
from adapter.sources.ctgov import study_of
from adapter.sources.leaves import Document, read_json
from mappings import entities as e

ENTITIES = "mappings/entities.py"


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
            resource=f"{resource['resourceType']}/{resource['id']}",
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
            return _of_study(self.searched, self.found, self.trace)
        made: dict[str, list[Source]] = defaultdict(list)
        for path, fields in deciding_entities(self.trace, self.found.own).items():
            for at, field in fields:
                made[path] += self._taken(at, field)
        return {path: list(dict.fromkeys(sources)) for path, sources in made.items()}

    def _taken(self, at: int, field: str) -> list[Source]:
        """The sources of an entity's field; a value that no recipe gives is the entity's own."""
        entity, origin = self.found.made[at].entity, self.found.made[at].origin
        table = self.searched.tables[origin.source]
        row = next(row for row in table.rows if row.line == origin.line)
        recipe = Recipe(self.settings, origin.recipe, table, row, origin)
        taken = recipe.taken(entity, field)
        own = Source(entity=type(entity).__name__, field=field)
        return [self._source(own, recipe, each) for each in taken] or [own]

    def _source(self, own: Source, recipe: Recipe, taken: Taken) -> Source:
        place = recipe.table.where(recipe.row.line) if taken.columns else None
        cells = tuple((name, recipe.row.cells.get(name, "")) for name in taken.columns)
        return dataclasses.replace(
            own,
            place=place,
            columns=taken.columns,
            recipe=recipe.name,
            line=recipe.line(taken),
            decoded=recipe.decoded(taken),
            described=recipe.described(taken.columns[0]) if len(taken.columns) == 1 else None,
            rule=rule(taken),
            cells=cells if self.with_source else (),
        )

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


# --- the study as such: registration, settings, data dictionary ----------------------------------


def _of_study(searched: Searched, found: Found, trace: Trace) -> dict[str, list[Source]]:
    if isinstance(found.whole, tuple):
        collected = Deciding[Source](trace)
        _registration(searched, found, collected)
        _settings(searched, found, collected)
        _forms(searched, found, collected)
        return collected.found()
    return {
        path: [source for name in names for source in _of_subjects(searched, found.whole, name)]
        for path, names in deciding(trace).items()
    }


def _registration(searched: Searched, found: Found, collected: Deciding[Source]) -> None:
    """Every leaf of the registration record, changed one at a time."""
    file = searched.study.settings.registry
    if file is None:
        return
    record = read_json(file)
    study, products, forms = found.whole
    posted = study_of(Document(record, str(file)).root)
    shown = file.relative_to(searched.study.folder).as_posix()
    for leaf in leaves(record):

        def whole(value: Any, leaf: Leaf = leaf) -> Any:
            other = study_of(Document(leaf.put(value), str(file)).root)
            sites = (*other.sites, *study.sites[len(posted.sites) :])
            other = dataclasses.replace(other, sites=sites, present_status=study.present_status)
            return other, products, forms

        collected.add(leaf, whole, Source(place=Where(file=shown, path=leaf.path)))


def _settings(searched: Searched, found: Found, collected: Deciding[Source]) -> None:
    """What study.yaml itself says of the study: its sites, status and title."""
    study = searched.study
    for name in ("sites", "status", "title"):
        for leaf in leaves({name: getattr(study.settings, name)}):

            def whole(value: Any, leaf: Leaf = leaf) -> Any:
                other = with_settings(study, **leaf.put(value))
                return (registered_study(other), *found.whole[1:])

            steps = leaf.path.replace("[", ".").replace("]", "").split(".")
            collected.add(leaf, whole, Source(line=study.settings.where(*steps)))


def _forms(searched: Searched, found: Found, collected: Deciding[Source]) -> None:
    """Forms come from the data dictionary, their titles from the recipe."""
    study, products, forms = found.whole
    recipes = {
        spec.spec.get("form", name): (name, spec)
        for name, spec in searched.study.settings.recipes.items()
        if spec.entity == "Answers"
    }
    for at, form in enumerate(forms):
        name, recipe = recipes[form.key[0]]
        for leaf in leaves(form):

            def whole(value: Any, leaf: Leaf = leaf, at: int = at) -> Any:
                return study, products, [*forms[:at], leaf.put(value), *forms[at + 1 :]]

            source = _of_form(searched, form, leaf.path, name, recipe.source)
            collected.add(leaf, whole, source)


def _of_form(searched: Searched, form: e.Form, field: str, name: str, source: str) -> Source:
    settings = searched.study.settings
    line = settings.where("recipes", name, field.partition("[")[0])
    own = Source(entity="Form", field=field, recipe=name, line=line)
    if not field.startswith("questions"):
        return own
    question = form.questions[int(field.partition("[")[2].partition("]")[0])]
    table = searched.tables[source]
    recipe = Recipe(settings, name, table, table.rows[0], Origin(source, 1, ()))
    line = settings.where("recipes", name, "items")
    described = recipe.described(question.link)
    return dataclasses.replace(own, line=line, place=described, columns=(question.link,))


def _of_subjects(searched: Searched, whole: Any, field: str) -> list[Source]:
    """What products and groups are made of: the treatments and subjects that name them."""
    settings = searched.study.settings
    if isinstance(whole, e.Product):
        if field == "form":
            line = settings.where("products", whole.term, "form")
            return [Source(entity="Product", field=field, line=line)]
        names = {"term": ("drug",), "batch": ("batch",)}.get(field, ("drug", "batch"))
        matching = [
            (made, name)
            for made in _all_made(searched)
            if isinstance(made.entity, e.Treatment)
            and made.entity.drug == whole.term
            and (made.entity.batch or None) == whole.batch
            for name in names
        ]
    else:
        at = field.partition("[")[2].partition("]")[0]
        key = whole.members[int(at)] if at else None
        matching = [
            (made, "key" if at else "arm")
            for made in _all_made(searched)
            if isinstance(made.entity, e.Subject)
            and (made.entity.key == key if at else made.entity.arm == whole.arm)
        ]
    first = [(made, name) for made, name in matching if made is matching[0][0]]
    found = []
    for made, name in first:
        table = searched.tables[made.origin.source]
        row = next(row for row in table.rows if row.line == made.origin.line)
        recipe = Recipe(settings, made.origin.recipe, table, row, made.origin)
        for taken in recipe.taken(made.entity, name):
            found.append(
                Source(
                    entity=type(made.entity).__name__,
                    field=name,
                    place=table.where(row.line) if taken.columns else None,
                    columns=taken.columns,
                    recipe=recipe.name,
                    line=recipe.line(taken),
                    decoded=recipe.decoded(taken),
                    rule=f"the first of {len({id(m) for m, _ in matching})} rows",
                )
            )
    return found


def _all_made(searched: Searched) -> Iterable[Any]:
    return (made for each in searched.assembly.subjects.values() for made in each)
