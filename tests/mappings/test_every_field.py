"""No field of any entity is ignored in silence: changing it changes what its record maps to."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
from child_record import DISPOSITION, PRODUCT, RECORD, SUBJECT
from entity_strategies import NESTED, STATUS, TO

from mappings import Resource, map_entity, map_subject
from mappings import entities as e
from mappings.terms import TERM_TABLES, WORDS

MAPPED = (*typing.get_args(e.SubjectEntity), e.Product)


def fields_of_entities() -> Iterator[tuple[str, str]]:
    for kind in (*MAPPED, *NESTED.values()):
        for field in dataclasses.fields(kind):
            yield kind.__name__, field.name


def other(kind: type, name: str, value: Any) -> Iterator[Any]:
    """Other values that the field may have."""
    place = (kind.__name__, name)
    optional = {f.name for f in dataclasses.fields(kind) if f.default is None}
    if name in optional and value is not None:
        yield None
    if place in TERM_TABLES:
        known = list(TO.tables[TERM_TABLES[place]].terms)
        yield from ((term,) for term in known) if name == "criteria" else known
    elif place in WORDS:
        yield from sorted(WORDS[place])
    elif name == "status":
        yield from STATUS[kind.__name__].split()
    elif isinstance(value, bool) or name == "flag":
        yield not value
    elif isinstance(value, Decimal | int):
        yield value + 1
    elif isinstance(value, tuple):
        yield ()
        yield (*value, "x")
    elif name == "integer":
        yield 5
    elif name in ("text", "absent"):
        yield "unknown"
    elif isinstance(value, str):
        yield from (value[:4], "2018-05-05", "mg/dL", "mo", "<=", "gene", "placebo")
        yield from ("infusion-solution", "fvc-percent-predicted")
    elif name == "disposition":
        yield DISPOSITION


def changed(entity: Any, name: str) -> Iterator[Any]:
    for value in other(type(entity), name, getattr(entity, name)):
        yield dataclasses.replace(entity, **{name: value})


def variants(entity: Any, kind: str, name: str) -> Iterator[Any]:
    """The entity with this field changed, in itself or in one of its parts."""
    if type(entity).__name__ == kind:
        yield from changed(entity, name)
    for part, of in NESTED.items():
        if of.__name__ != kind or not hasattr(entity, part):
            continue
        parts = getattr(entity, part)
        for place, each in enumerate(parts):
            for new in changed(each, name):
                whole = (*parts[:place], new, *parts[place + 1 :])
                yield dataclasses.replace(entity, **{part: whole})


def mapped(record: Sequence[Any]) -> list[Resource]:
    """A subject's record, or study-level entities one by one."""
    if isinstance(record[0], e.Product):
        return [resource for entity in record for resource in map_entity(entity, TO)]
    return [resource for _, resource in map_subject(record, TO)]


def shows(record: tuple[Any, ...], place: int, variant: Any) -> bool:
    """True when a changed entity changes what its record maps to; a refused one shows nothing."""
    try:
        return mapped((*record[:place], variant, *record[place + 1 :])) != mapped(record)
    except (KeyError, ValueError):
        return False


RECORDS: tuple[tuple[Any, ...], ...] = (RECORD, (SUBJECT,), (PRODUCT,))


@pytest.mark.parametrize(("kind", "name"), tuple(fields_of_entities()))
def test_every_field_reaches_fhir(kind: str, name: str) -> None:
    assert any(
        shows(record, place, variant)
        for record in RECORDS
        for place, entity in enumerate(record)
        for variant in variants(entity, kind, name)
        if variant != entity
    ), f"{kind}.{name} is ignored"
