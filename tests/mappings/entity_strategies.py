"""Hypothesis strategies: any entity that the mappings take, with terms that tables explain."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing
from decimal import Decimal
from typing import Any

from child_record import CHILD, default_context
from hypothesis import strategies as st

from mappings import entities as e
from mappings.observation import PANELS
from mappings.terms import TERM_TABLES, WORDS

TO = default_context()
NESTED = {
    "components": e.Component,
    "findings": e.Finding,
    "items": e.Answer,
    "suspects": e.Suspect,
}
STATUS = {
    "Answers": "completed amended in-progress",
    "Diagnosis": "active remission inactive",
    "SequencingResult": "final preliminary partial",
    "Support": "completed in-progress stopped",
    "Treatment": "completed in-progress stopped",
}

DAYS = st.dates(min_value=dt.date(2000, 1, 1)).map(str)
DATES = DAYS | DAYS.map(lambda d: d[:7]) | DAYS.map(lambda d: d[:4])
MOMENTS = DATES | DAYS.map(lambda d: f"{d}T08:30:00+08:00")
NUMBERS = st.decimals(-(10**6), 10**6, places=2, allow_nan=False)
TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=12)
PERIODS = (
    ("start", "end"),
    ("when", "until"),
    ("date", "withdrawn"),
    ("date", "expires"),
    ("onset", "ended"),
)
KEYS = st.lists(TEXTS, min_size=1, max_size=3).map(tuple)
DATE_FIELDS = frozenset(
    {"collected", "date", "deceased", "end", "ended", "enrolled", "expires", "onset", "processed"}
    | {"randomized", "received", "recorded", "screened", "signed_up", "start", "until", "when"}
    | {"withdrawn"}
)


VALUED = [
    (term, unit)
    for term in TO.tables["measurement"].terms
    for unit in TO.tables["measurement"].units(term)
]
VITAL_SIGNS = [
    term
    for term, rows in TO.tables["measurement"].terms.items()
    if rows[0].category == "vital-signs"
]
JUDGED = [term for term in TO.tables["measurement"].terms if term not in dict(VALUED)]
REASONS = st.sampled_from(sorted(TO.tables["absent-reason"].terms))
PARTS: dict[type, st.SearchStrategy[Any]] = {
    e.Component: st.sampled_from(VALUED).flatmap(
        lambda of: (
            st.builds(e.Component, code=st.just(of[0]), value=NUMBERS, unit=st.just(of[1]))
            | st.builds(e.Component, code=st.just(of[0]), absent=REASONS)
        )
    ),
    e.Answer: st.builds(e.Answer, link=TEXTS, code=st.tuples(TEXTS, TEXTS))
    | st.builds(e.Answer, link=TEXTS, integer=st.integers(-(2**31), 2**31 - 1))
    | st.builds(e.Answer, link=TEXTS, value=NUMBERS)
    | st.builds(e.Answer, link=TEXTS, flag=st.booleans())
    | st.builds(e.Answer, link=TEXTS, date=DATES)
    | st.builds(e.Answer, link=TEXTS, text=TEXTS),
}


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
        "birth_year": st.just("2019"),
        "file_type": st.sampled_from(["text/csv", "application/gzip"]),
        "gene_id": st.from_regex(r"HGNC:[0-9]{1,5}", fullmatch=True),
        "form": st.sampled_from(sorted(TO.tables["dose-form"].terms)),
        "kind": st.sampled_from(["pathogen", "gene"]),
        "meddra": st.from_regex(r"[0-9]{8}", fullmatch=True),
        "meddra_version": st.sampled_from(["26.0", "27.1"]),
        "rate_unit": st.sampled_from(["mL/h", "mg/kg/h"]),
        "strength_unit": st.sampled_from(["ug", "10*9{particles}"]),
        "unit": st.sampled_from(["mg", "10*9{particles}"]),
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
        Decimal: NUMBERS,
        e.Key: KEYS,
        e.Disposition: st.deferred(lambda: entities(e.Disposition)),
    }
    return plain[hint]


def bare(hint: Any) -> Any:
    inner = [each for each in typing.get_args(hint) if each is not type(None)]
    return inner[0] if type(None) in typing.get_args(hint) else hint


def entities(kind: type) -> st.SearchStrategy[Any]:
    """Any entity of a class; what it leaves out, it leaves out at random."""
    if kind is e.Measurement:
        return measurements()
    if kind in PARTS:
        return PARTS[kind]
    if kind is e.Finding:
        named = plain_entities(kind)
        return named.map(lambda f: f if f.target or f.gene else dataclasses.replace(f, gene="CFTR"))
    return plain_entities(kind)


def plain_entities(kind: type) -> st.SearchStrategy[Any]:
    """Any entity of a class whose fields do not depend on one another."""
    hints = typing.get_type_hints(kind, vars(e))
    given_fields = {}
    for field in dataclasses.fields(kind):
        found = strategy(kind, field.name, bare(hints[field.name]))
        optional = field.default is None
        given_fields[field.name] = st.none() | found if optional else found
    return st.builds(kind, **given_fields).map(in_order)


def in_order(entity: Any) -> Any:
    """The entity with no contradiction: no end before its start, what is serious meets criteria."""
    if isinstance(entity, e.Subject) and entity.disposition:
        date = later(entity.enrolled, entity.disposition.date)
        left = dataclasses.replace(entity.disposition, date=date)
        return dataclasses.replace(entity, disposition=left)
    if isinstance(entity, e.Event) and entity.criteria:
        entity = dataclasses.replace(entity, serious=entity.serious or None)
    for start, end in PERIODS:
        if getattr(entity, start, None) and getattr(entity, end, None):
            after = later(getattr(entity, start), getattr(entity, end))
            entity = dataclasses.replace(entity, **{end: after})
    return entity


def later(start: str, end: str) -> str:
    """The end where it is surely not before the start, else the start itself."""
    shared = min(len(start), len(end))
    return end if start[:shared] < end[:shared] else start


def same_code(one: str, other: str) -> bool:
    """True where two terms share a coding, so that neither can be a part of the other."""
    rows = TO.tables["measurement"].rows
    return not {(r.system, r.code) for r in rows(one)}.isdisjoint(
        (r.system, r.code) for r in rows(other)
    )


def codes(term: str) -> set[str]:
    """All codes of a measurement, in whatever unit."""
    return {row.code for row in TO.tables["measurement"].rows(term)}


COMPARATORS = st.none() | st.sampled_from(["<", "<=", ">=", ">"])
PAIRS = st.tuples(NUMBERS, NUMBERS).map(sorted)
LIVED = st.tuples(st.decimals(0, 9, places=1), st.decimals(10, 18, places=1))


def ends(pairs: st.SearchStrategy[Any], *names: str) -> st.SearchStrategy[dict[str, Any]]:
    """The two ends of a range, one of them, or none."""
    return st.tuples(pairs, st.booleans(), st.booleans()).map(
        lambda of: {
            name: end for name, end, wanted in zip(names, of[0], of[1:], strict=True) if wanted
        }
    )


def results(code: str, unit: str | None, *, vital: bool) -> st.SearchStrategy[dict[str, Any]]:
    """What a measurement may have found; a panel's findings are its components."""
    terms = st.sampled_from(sorted(TO.tables["result"].terms))
    missing = st.fixed_dictionaries({"absent": REASONS}, optional={"unit": st.just(unit)})
    judged = st.fixed_dictionaries({"term": terms}) | st.fixed_dictionaries({"flag": st.booleans()})
    if code in PANELS:
        members = st.lists(st.sampled_from(PANELS[code]), min_size=1, unique=True)
        part = {
            "value": NUMBERS,
            "unit": st.just(TO.tables["measurement"].units(PANELS[code][0])[0]),
        }
        made = st.fixed_dictionaries(part) | st.fixed_dictionaries({"absent": REASONS})
        return members.flatmap(
            lambda names: st.tuples(
                *(made.map(lambda of, n=n: e.Component(code=n, **of)) for n in names)
            )
        ).map(lambda parts: {"components": parts})
    if unit is None:
        return judged | missing
    measured = st.fixed_dictionaries(
        {"value": NUMBERS, "unit": st.just(unit), "comparator": COMPARATORS}
    )
    return measured | missing if vital else measured | missing | judged


@st.composite
def measurements(draw: st.DrawFn) -> e.Measurement:
    """A measurement with exactly one result, and all that may stand beside one."""
    code, unit = draw(st.sampled_from(VALUED) | st.tuples(st.sampled_from(JUDGED), st.none()))
    vital = code in PANELS or any(same_code(code, each) for each in VITAL_SIGNS)
    interpretations = st.sampled_from(sorted(TO.tables["interpretation"].terms))
    # FHIR's vital signs are numbers of a day, in units of their own.
    part = entities(e.Component).filter(lambda part: not same_code(part.code, code))
    parts = st.just([]) if vital else st.lists(part, max_size=2)
    measurement = e.Measurement(
        key=draw(KEYS),
        subject=CHILD,
        code=code,
        when=draw(DAYS if vital else MOMENTS),
        until=draw(st.none() if vital else st.none() | MOMENTS),
        corrected=draw(st.booleans()),
        visit=draw(st.none() | KEYS),
        sample=draw(st.none() | KEYS),
        support=draw(st.none() | KEYS),
        interpretation=draw(st.none() | interpretations),
        age_unit=draw(st.sampled_from(sorted(WORDS["Measurement", "age_unit"]))),
        **draw(ends(PAIRS, "low", "high")),
        **draw(ends(LIVED, "age_from", "age_to")),
        **{"components": draw(parts.map(tuple)), **draw(results(code, unit, vital=vital))},
    )
    return typing.cast(e.Measurement, in_order(measurement))
