"""What stands behind a field: cells, recipe lines, the registration, a data dictionary."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from adapter.errors import Where
from adapter.explain.cells import Recipe, Taken, rule
from adapter.explain.differences import Deciding, Trace, deciding
from adapter.explain.explanation import Source
from adapter.explain.find import Found, Searched, with_settings
from adapter.explain.variants import Leaf, leaves
from adapter.mapping import registered_study
from adapter.recipes import Made, Origin
from adapter.settings import StudySettings
from adapter.sources import Row
from adapter.sources.ctgov import study_of
from adapter.sources.leaves import Document, read_json
from mappings import entities as e

# The field of a treatment that gives a field of its product.
OF_PRODUCT = {"term": ("drug",), "batch": ("batch",), "key": ("drug", "batch")}


def behind(searched: Searched, made: Made, field: str, with_source: bool) -> list[Source]:
    """The cells behind a field of an entity; a value that no recipe gives is the entity's own."""
    table = searched.tables[made.origin.source]
    row = next(row for row in table.rows if row.line == made.origin.line)
    recipe = Recipe(searched.study.settings, made.origin.recipe, table, row, made.origin)
    own = Source(entity=type(made.entity).__name__, field=field)
    taken = recipe.taken(made.entity, field)
    return [_source(own, recipe, each, with_source) for each in taken] or [own]


def _source(own: Source, recipe: Recipe, taken: Taken, with_source: bool) -> Source:
    cells = tuple((name, recipe.row.cells.get(name, "")) for name in taken.columns)
    return dataclasses.replace(
        own,
        place=recipe.table.where(recipe.row.line) if taken.columns else None,
        columns=taken.columns,
        recipe=recipe.name,
        line=recipe.line(taken),
        decoded=recipe.decoded(taken),
        described=recipe.described(taken.columns[0]) if len(taken.columns) == 1 else None,
        rule=rule(taken),
        cells=cells if with_source else (),
    )


def of_study(
    searched: Searched, found: Found, trace: Trace, with_source: bool
) -> dict[str, list[Source]]:
    """The sources of each element of a resource that is about no single subject."""
    if isinstance(found.whole, tuple):
        collected = Deciding[Source](trace)
        _registration(searched, found, collected)
        _settings(searched, found, collected)
        _arms(searched, found, collected)
        _forms(searched, found, collected)
        return collected.found()
    return {
        path: [
            source
            for name in names
            for source in _of_subjects(searched, found.whole, name, with_source)
        ]
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
                return (registered_study(other, searched.assembly.arms), *found.whole[1:])

            steps = leaf.path.replace("[", ".").replace("]", "").split(".")
            collected.add(leaf, whole, Source(line=study.settings.where(*steps)))


def _arms(searched: Searched, found: Found, collected: Deciding[Source]) -> None:
    """Arms that no registry says come from the recipe of the subjects."""
    study, *more = found.whole
    registered = searched.study.registration
    if registered is not None and registered.arms:
        return
    lines = list(_lines_of_arms(searched.study.settings))
    for at, arm in enumerate(study.arms):
        for leaf in leaves(arm):

            def whole(value: Any, leaf: Leaf = leaf, at: int = at) -> Any:
                arms = (*study.arms[:at], leaf.put(value), *study.arms[at + 1 :])
                return (dataclasses.replace(study, arms=arms), *more)

            for name, line in lines:
                source = Source(entity="Arm", field=leaf.path, recipe=name, line=line)
                collected.add(leaf, whole, source)


def _lines_of_arms(settings: StudySettings) -> Iterator[tuple[str, Where]]:
    for name, recipe in settings.recipes.items():
        if recipe.entity != "Subject":
            continue
        for column, spec in recipe.spec.get("fields", {}).items():
            if spec.get("to") == "arm":
                yield name, settings.where("recipes", name, "fields", column)
        if "arm" in recipe.spec.get("set", {}):
            yield name, settings.where("recipes", name, "set", "arm")


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
    recipe = Recipe(settings, name, table, Row(source, 1, {}), Origin(source, 1, ()))
    line = settings.where("recipes", name, "items")
    described = recipe.described(question.link)
    return dataclasses.replace(own, line=line, place=described, columns=(question.link,))


def _of_subjects(
    searched: Searched, whole: e.Product | e.Cohort, field: str, with_source: bool
) -> list[Source]:
    """What products and groups are made of: the first of the rows that name them."""
    if isinstance(whole, e.Product) and field == "form":
        line = searched.study.settings.where("products", whole.term, "form")
        return [Source(entity="Product", field=field, line=line)]
    matching = list(_naming(searched, whole, field))
    of_group = ("key",) if field.startswith("members") else ("arm",)
    fields = OF_PRODUCT[field] if isinstance(whole, e.Product) else of_group
    said = f"the first of {len(matching)} rows"
    return [
        dataclasses.replace(source, rule=said)
        for made in matching[:1]
        for name in fields
        for source in behind(searched, made, name, with_source)
    ]


def _naming(searched: Searched, whole: e.Product | e.Cohort, field: str) -> Iterator[Made]:
    """The treatments with a product, or the subjects of a group."""
    at = field.partition("[")[2].partition("]")[0]
    for made in (made for each in searched.assembly.subjects.values() for made in each):
        it = made.entity
        if isinstance(whole, e.Product):
            named = isinstance(it, e.Treatment) and it.drug == whole.term
            named = named and (it.batch or None) == whole.batch
        else:
            named = isinstance(it, e.Subject)
            named = named and (it.key == whole.members[int(at)] if at else it.arm == whole.arm)
        if named:
            yield made
