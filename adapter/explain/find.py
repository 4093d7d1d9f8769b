"""Where a resource of a study comes from: its entities, and how it is mapped anew from them."""

from __future__ import annotations

import copy
import dataclasses
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from adapter.errors import UsageError
from adapter.mapping import assembled, forms_of, products_of, registered_study
from adapter.recipes import Assembly, Made
from adapter.sources import Table, read_sources
from adapter.study import Study
from mappings import Context, Resource, map_entity, map_subject
from mappings.entities import Cohort, Form, Product, Subject
from mappings.entities import Study as StudyEntity
from mappings.study_record import map_cohort
from mappings.study_record import map_study as map_registration

NEAR = 5


@dataclass(frozen=True, slots=True)
class Found:
    """A resource, the whole it is made of, and how it is made anew from such a whole.

    ``own`` is the place of its entity among a subject's, which ``made`` lists; both are empty for
    what belongs to the study as such.
    """

    resource: Resource
    whole: Any
    remap: Callable[[Any, Context], Resource]
    own: int | None = None
    made: Sequence[Made] = ()


class Searched:
    """A study folder, read and assembled, in which resources are looked up. Nothing is sent."""

    def __init__(self, study: Study):
        self.study = study

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """The sources by name."""
        return read_sources(self.study.settings.sources)

    @cached_property
    def assembly(self) -> Assembly:
        """The entities of every subject."""
        return assembled(self.study, self.tables)

    @cached_property
    def registered(self) -> tuple[StudyEntity, list[Product], list[Form]]:
        """The study as registered, its products and its forms."""
        study = self.study
        return (
            registered_study(study, self.assembly.arms),
            products_of(study, self.assembly),
            forms_of(study, self.tables),
        )

    def find(self, reference: str) -> Found:
        """The resource by ``Type/id``. Raises UsageError for one that the study does not make."""
        kinds: dict[str, int] = {}
        for found in self.all():
            kind = found.resource["resourceType"]
            if f"{kind}/{found.resource['id']}" == reference:
                return found
            kinds[kind] = kinds.get(kind, 0) + 1
        raise _unknown(reference, kinds)

    def all(self) -> Iterator[Found]:
        """Every resource of the study."""
        yield from self._study_level()
        for made in self.assembly.subjects.values():
            yield from _of_subject(made, self.study.context)
        yield from self._cohorts()

    def _study_level(self) -> Iterator[Found]:
        to, whole = self.study.context, self.registered
        for resource in _registration(whole, to):
            yield Found(resource, whole, _again(resource, _registration))
        for product in whole[1]:
            for resource in map_entity(product, to):
                yield Found(resource, product, _again(resource, map_entity))

    def _cohorts(self) -> Iterator[Found]:
        members: dict[str, list[tuple[str, ...]]] = {}
        for key, made in self.assembly.subjects.items():
            if isinstance(made[0].entity, Subject):
                members.setdefault(made[0].entity.arm, []).append(key)
        to = self.study.context
        for arm, keys in members.items():
            cohort = Cohort(arm=arm, members=tuple(sorted(keys, key=lambda k: to.id("Patient", k))))
            for resource in map_cohort([cohort], to):
                yield Found(resource, cohort, _again(resource, lambda c, to: map_cohort([c], to)))


def _registration(whole: tuple[StudyEntity, Any, Any], to: Context) -> list[Resource]:
    registered, products, forms = whole
    return [resource for _, resource in map_registration(registered, products, forms, to)]


def _again(
    resource: Resource, mapped: Callable[[Any, Context], Iterable[Resource]]
) -> Callable[[Any, Context], Resource]:
    """Maps a whole and gives what is this resource in it: by its id, else by its turn."""
    kind, turn = resource["resourceType"], None

    def remap(whole: Any, to: Context) -> Resource:
        nonlocal turn
        alike = [each for each in mapped(whole, to) if each["resourceType"] == kind]
        same = [at for at, each in enumerate(alike) if each["id"] == resource["id"]]
        if turn is None and same:
            turn = same[0]
        return alike[same[0] if same else turn or 0]

    return remap


def _of_subject(made: Sequence[Made], to: Context) -> Iterator[Found]:
    entities = [each.entity for each in made]
    places = {id(entity): at for at, entity in enumerate(entities)}
    turns: dict[tuple[int, str], int] = {}
    for entity, resource in map_subject(entities, to):
        kind, own = resource["resourceType"], places[id(entity)]
        turn = turns[own, kind] = turns.get((own, kind), -1) + 1
        yield Found(resource, entities, _of_entity(own, kind, turn), own, made)


def _of_entity(own: int, kind: str, turn: int) -> Callable[[Any, Context], Resource]:
    def remap(entities: Sequence[Any], to: Context) -> Resource:
        present = [entity for entity in entities if entity is not None]
        mapped = map_subject(present, to)
        alike = [r for e, r in mapped if e is entities[own] and r["resourceType"] == kind]
        return alike[turn]

    return remap


def _unknown(reference: str, kinds: Mapping[str, int]) -> UsageError:
    kind = reference.partition("/")[0]
    if kind in kinds:
        hint = f"the study makes {kinds[kind]} of this type: `study-fhir map` writes {kind}.ndjson"
    else:
        near = difflib.get_close_matches(kind, kinds, 1)
        hint = f"did you mean {near[0]}?" if near else f"it makes: {', '.join(sorted(kinds))}"
    return UsageError(
        f"the study makes no {reference}",
        hint=f"{hint}; ids follow from the study key, so the folder must hold the same key",
    )


def with_settings(study: Study, **changed: Any) -> Study:
    """The study with other settings, in memory only."""
    other = copy.copy(study)
    other.settings = dataclasses.replace(study.settings, **changed)
    return other
