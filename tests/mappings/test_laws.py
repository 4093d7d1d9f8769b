"""What holds for every mapping: no field is ignored, models accept it, same entity same bytes."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from child_record import CHILD, PRODUCT, RECORD, SUBJECT, default_context, edges, measured
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings import Resource, map_entity, map_subject
from mappings import entities as e
from mappings.entity_json import from_json, to_json
from mappings.terms import TERM_TABLES, WORDS

TO = default_context()
MAPPED = (*typing.get_args(e.SubjectEntity), e.Product)
NESTED = {"components": e.Component, "findings": e.Finding, "items": e.Answer}
STATUS = {
    "Answers": "completed amended in-progress",
    "Diagnosis": "active remission inactive",
    "SequencingResult": "final preliminary partial",
    "Support": "completed in-progress stopped",
    "Treatment": "completed in-progress stopped",
}


def as_json(resource: Resource) -> str:
    return json.dumps(resource, default=str, sort_keys=True)


# --- no field is ignored ------------------------------------------------------------------------


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
        yield from (value[:4], "2018-05-05", "gene", "mg/dL", "mo", "infusion-solution", "<=")


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


def shows(record: tuple[Any, ...], place: int, variant: Any) -> bool:
    """True when a changed entity changes what its record maps to; refusing it counts too."""
    if isinstance(variant, e.Product):
        return map_entity(variant, TO) != map_entity(record[place], TO)
    before = [r for _, r in map_subject(record, TO)]
    try:
        after = map_subject((*record[:place], variant, *record[place + 1 :]), TO)
    except (KeyError, ValueError):
        return False
    return [r for _, r in after] != before


RECORDS: tuple[tuple[Any, ...], ...] = (RECORD, (SUBJECT,), (PRODUCT,))


@pytest.mark.parametrize(("kind", "name"), fields_of_entities())
def test_every_field_reaches_fhir(kind: str, name: str) -> None:
    assert any(
        shows(record, place, variant)
        for record in RECORDS
        for place, entity in enumerate(record)
        for variant in variants(entity, kind, name)
        if variant != entity
    ), f"{kind}.{name} is ignored"


# --- any entity ---------------------------------------------------------------------------------

DAYS = st.dates(min_value=__import__("datetime").date(2000, 1, 1)).map(str)
DATES = DAYS | DAYS.map(lambda d: d[:7]) | DAYS.map(lambda d: d[:4])
MOMENTS = DATES | DAYS.map(lambda d: f"{d}T08:30:00+08:00")
NUMBERS = st.decimals(-(10**6), 10**6, places=2, allow_nan=False)
TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=12)
KEYS = st.lists(TEXTS, min_size=1, max_size=3).map(tuple)
DATE_FIELDS = frozenset(
    {"collected", "date", "deceased", "end", "ended", "enrolled", "onset", "processed"}
    | {"received", "recorded", "start", "until", "when", "withdrawn"}
)


def strategy(kind: type, name: str, hint: Any) -> st.SearchStrategy[Any]:
    place = (kind.__name__, name)
    if name in NESTED:
        return st.lists(entities(NESTED[name]), max_size=3).map(tuple)
    if place in TERM_TABLES:
        terms = st.sampled_from(sorted(TO.tables[TERM_TABLES[place]].terms))
        return st.lists(terms, unique=True, max_size=3).map(tuple) if name == "criteria" else terms
    if place in WORDS:
        return st.sampled_from(sorted(WORDS[place]))
    if name == "status":
        return st.sampled_from(STATUS[kind.__name__].split())
    if place == ("Sample", "volume"):
        return st.decimals(0, 50, places=1)
    special = {
        "absent": st.sampled_from(sorted(TO.tables["absent-reason"].terms)),
        "birth_year": st.just("2019"),
        "code": st.tuples(TEXTS, TEXTS),
        "comparator": st.sampled_from(["<", "<=", ">=", ">"]),
        "form": st.sampled_from(sorted(TO.tables["dose-form"].terms)),
        "kind": st.sampled_from(["pathogen", "gene"]),
        "term": st.sampled_from(sorted(TO.tables["product"].terms)),
    }
    if place[0] == "Answers" and name == "form":
        return KEYS
    if name in special:
        return special[name]
    if name in DATE_FIELDS:
        return MOMENTS
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXTS,
        bool: st.booleans(),
        int: st.integers(-(2**31), 2**31 - 1),
        Decimal: NUMBERS,
        e.Key: KEYS,
        e.Disposition: entities(e.Disposition),
    }
    return plain[hint]


def bare(hint: Any) -> Any:
    inner = [each for each in typing.get_args(hint) if each is not type(None)]
    return inner[0] if type(None) in typing.get_args(hint) else hint


def entities(kind: type) -> st.SearchStrategy[Any]:
    """Any entity of a class; what it leaves out, it leaves out at random."""
    if kind is e.Measurement:
        return measurements()
    if kind is e.Component:
        return st.sampled_from(VALUED).flatmap(
            lambda of: st.builds(
                e.Component, code=st.just(of[0]), value=NUMBERS, unit=st.just(of[1])
            )
        )
    if kind is e.Answer:
        return st.sampled_from(
            [e.Answer(link="a", text="t"), e.Answer(link="b", integer=1), e.Answer(link="c", flag=False)]
        ) | st.builds(e.Answer, link=TEXTS, code=st.tuples(TEXTS, TEXTS))  # fmt: skip
    hints = typing.get_type_hints(kind, vars(e))
    given_fields = {}
    for field in dataclasses.fields(kind):
        found = strategy(kind, field.name, bare(hints[field.name]))
        optional = field.default is None
        given_fields[field.name] = st.none() | found if optional else found
    return st.builds(kind, **given_fields)


VALUED = [
    (term, unit)
    for term in TO.tables["measurement"].terms
    for unit in TO.tables["measurement"].units(term)
]


@st.composite
def measurements(draw: st.DrawFn) -> e.Measurement:
    """A measurement with exactly one result."""
    code, unit = draw(st.sampled_from(VALUED))
    results = st.sampled_from(sorted(TO.tables["result"].terms))
    reasons = st.sampled_from(sorted(TO.tables["absent-reason"].terms))
    result: dict[str, Any] = draw(
        st.fixed_dictionaries({"value": NUMBERS, "unit": st.just(unit)})
        | st.fixed_dictionaries({"term": results})
        | st.fixed_dictionaries({"flag": st.booleans()})
        | st.fixed_dictionaries({"absent": reasons})
    )
    return e.Measurement(
        key=draw(KEYS),
        subject=CHILD,
        code=code,
        when=draw(MOMENTS),
        until=draw(st.none() | MOMENTS),
        components=draw(st.lists(entities(e.Component), max_size=2).map(tuple)),
        corrected=draw(st.booleans()),
        visit=draw(st.none() | KEYS),
        sample=draw(st.none() | KEYS),
        **result,
    )


@pytest.mark.parametrize("kind", MAPPED, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_models_accept_any_entity(kind: type, data: st.DataObject) -> None:
    entity = data.draw(entities(kind))
    for resource in map_entity(entity, TO):
        model = get_fhir_model_class(resource["resourceType"])
        assert model.model_validate(resource).model_dump_json()


@pytest.mark.parametrize("kind", MAPPED, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_the_same_entity_gives_the_same_bytes(kind: type, data: st.DataObject) -> None:
    entity = data.draw(entities(kind))
    again = from_json(to_json(entity))
    assert again == entity
    there, back = map_entity(entity, TO), map_entity(again, default_context())
    assert list(map(as_json, there)) == list(map(as_json, back))


@pytest.mark.parametrize("entity", edges(), ids=lambda entity: type(entity).__name__)
def test_models_accept_the_sparse_and_the_unusual(entity: e.SubjectEntity) -> None:
    for resource in map_entity(entity, TO):
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def test_nothing_in_a_resource_is_empty() -> None:
    made = [r for _, r in map_subject(RECORD, TO)]
    made += [r for entity in (*edges(), PRODUCT) for r in map_entity(entity, TO)]
    assert [r for r in made if has_empty(r)] == []


def has_empty(value: Any) -> bool:
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return not value or any(map(has_empty, parts))
    return value is None or value == ""


def test_numbers_are_decimals() -> None:
    (observation,) = map_entity(measured("crp", "1.10", "mg/L"), TO)
    assert str(observation["valueQuantity"]["value"]) == "1.10"
