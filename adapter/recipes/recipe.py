"""A compiled recipe: one row in, the drafts of its entities out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from adapter.recipes.cells import Absent, BadCell, Compared, Defaulted, Parser
from adapter.sources import Row
from mappings.entities import Key, Measurement, Subject

BLANKS = "has blanks at its ends, or breaks: it would be another key"
# Where a missing-value code says why there is no result: it becomes the entity's ``absent``.
REASONED = frozenset((Measurement, name) for name in ("value", "term", "flag"))


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a cell, or with a row because of a cell."""

    column: str
    rule: str
    why: str


@dataclass(slots=True)
class Draft:
    """An entity in the making: its class, key, values by field name and the cells behind them."""

    entity: type
    key: Key
    values: dict[str, Any]
    columns: tuple[str, ...]

    def entity_of(self, subject: Key | None) -> Any:
        """The entity, of this subject where it is not the subject itself."""
        owner = {} if self.entity is Subject else {"subject": subject}
        return self.entity(key=self.key, **owner, **self.values)


@dataclass(frozen=True, slots=True)
class Suspected:
    """A treatment that a row suspects of an event, and the cells that say so."""

    key: Key
    columns: tuple[str, ...]  # of the key, then of the causality


@dataclass(slots=True)
class Unit:
    """What a recipe makes of one row; ``dead`` is why the row gives nothing at all."""

    recipe: Recipe
    row: Row
    key: Key = ()
    subject: Key | None = None
    drafts: list[Draft] = field(default_factory=list)
    claimed: set[str] = field(default_factory=set)
    defaulted: set[str] = field(default_factory=set)
    omitted: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    links: dict[str, tuple[str, Key, str, bool]] = field(default_factory=dict)
    suspected: list[Suspected] = field(default_factory=list)
    dead: Fault | None = None
    merged: bool = False

    @property
    def owner(self) -> Key:
        """The key of the subject whose data these are; () for the study's own."""
        return self.key if self.recipe.entity is Subject else self.subject or ()

    def entities(self) -> list[Any]:
        """What the drafts of the row become."""
        return [draft.entity_of(self.subject) for draft in self.drafts]


Step: TypeAlias = Callable[[Unit, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Field:
    """A source column that becomes a field of the entity."""

    column: str
    to: str
    parse: Parser
    fatal: bool = False  # a bad cell rejects the row
    stands: bool = False  # a default or constant would stand in for a bad cell
    listed: bool = False  # the field holds several terms, the cell gives some of them


@dataclass(frozen=True, slots=True)
class Checkbox:
    """Columns that together are one field with several terms."""

    to: str
    columns: Mapping[str, str]  # column -> term


@dataclass(frozen=True, slots=True)
class Link:
    """Another entity's key, spelled by columns (or by ``=text``) of this row."""

    to: str
    entity: str
    key: tuple[str, ...]
    optional: bool


@dataclass(frozen=True, slots=True)
class Recipe:
    """A field table of study.yaml, compiled. ``many`` adds the drafts of wide tables."""

    name: str
    entity: type
    source: str
    key: tuple[str, ...]
    subject: str | None
    constants: Mapping[str, Any]
    fields: Sequence[Field]
    omitted: Mapping[str, str]
    checkboxes: Sequence[Checkbox]
    links: Sequence[Link]
    required: Sequence[str]
    selects: Callable[[Row], bool]
    orders: Sequence[tuple[str, str]]  # pairs of fields that must not go backwards
    finish: Sequence[Step] = ()
    many: Step | None = None
    more_columns: frozenset[str] = frozenset()  # columns of measures, items and findings
    arms: tuple[str, ...] = ()  # those that a recipe of subjects names, in its order

    def apply(self, row: Row) -> Unit:
        """The row's unit, with every fault of the row and not only the first."""
        unit = Unit(self, row)
        if row.fault:
            unit.claimed.update(row.cells)
            unit.dead = Fault("", "malformed-row", row.fault)
            return unit
        self._identify(unit)
        self._link(unit)
        values = dict(self.constants)
        self._read(unit, values)
        self._omit(unit)
        self._check(unit, values)
        if unit.dead is None:
            for step in self.finish:
                step(unit, values)
        if unit.dead is None:
            self._draft(unit, values)
        return unit

    def _identify(self, unit: Unit) -> None:
        unit.key = self._key_of(unit, self.key)
        if self.subject is not None:
            subject = self._key_of(unit, (self.subject,))
            unit.subject = subject or None

    def _key_of(self, unit: Unit, parts: Sequence[str]) -> Key:
        key, row = [], unit.row
        for part in parts:
            if part.startswith("="):
                key.append(part[1:])
                continue
            unit.claimed.add(part)
            if part not in row.held:
                unit.dead = unit.dead or Fault(part, "missing-key", "the key cell is empty")
            text = row.cells.get(part, "")
            if text != text.strip() or not text.isprintable():
                unit.dead = unit.dead or Fault(part, "malformed-key", BLANKS)
            key.append(text)
        return tuple(key)

    def _link(self, unit: Unit) -> None:
        for link in self.links:
            columns = [part for part in link.key if not part.startswith("=")]
            key = key_from(unit.row, link.key)
            if key is not None:
                unit.links[link.to] = (link.entity, key, columns[-1], link.optional)
            unit.claimed.update(columns)

    def _read(self, unit: Unit, values: dict[str, Any]) -> None:
        row = unit.row
        for each in self.fields:
            if each.column not in row.held:
                continue
            try:
                store(unit, values, each, each.parse(row.cells[each.column]))
            except BadCell as bad:
                fault = Fault(each.column, bad.rule, bad.why)
                unit.faults.append(fault)
                if each.fatal:
                    unit.dead = unit.dead or fault
        for box in self.checkboxes:
            ticked = [t for c, t in box.columns.items() if row.cells.get(c, "").strip() == "1"]
            values[box.to] = _joined(values.get(box.to), ticked)
            unit.claimed.update(box.columns)

    def _omit(self, unit: Unit) -> None:
        for column, reason in self.omitted.items():
            if unit.row.filled(column):
                unit.omitted[column] = reason

    def _check(self, unit: Unit, values: Mapping[str, Any]) -> None:
        bad = {fault.column: fault for fault in unit.faults}
        columns = {each.to: each.column for each in self.fields}
        for name in self.required:
            if unit.dead is None and values.get(name) is None and name not in unit.links:
                column = columns.get(name, "")
                unit.dead = bad.get(column) or Fault(
                    column, "missing-value", f"{self.entity.__name__} needs {name}"
                )
        for start, end in self.orders:
            if unit.dead is None and backwards(values.get(start), values.get(end)):
                unit.dead = Fault(columns[end], "date-order", f"lies before {columns[start]}")

    def _draft(self, unit: Unit, values: dict[str, Any]) -> None:
        if self.many:
            self.many(unit, values)
        else:
            unit.drafts.append(Draft(self.entity, unit.key, values, tuple(sorted(unit.claimed))))


def key_from(row: Row, parts: Sequence[str]) -> Key | None:
    """The key that columns (or ``=text``) of a row spell; None where one of its cells is empty."""
    if not all(part.startswith("=") or row.filled(part) for part in parts):
        return None
    return tuple(part[1:] if part.startswith("=") else row.cells[part] for part in parts)


def store(unit: Unit, values: dict[str, Any], each: Field, value: Any) -> None:
    """Put a parsed value where the entity wants it; a comparator or reason goes beside it.

    Raises BadCell where the entity has no place for what the cell says.
    """
    if isinstance(value, Defaulted):
        unit.defaulted.add(each.column)
        value = value.term
    if isinstance(value, Absent) and (unit.recipe.entity, each.to) not in REASONED:
        if each.stands:
            raise BadCell("missing-value", "is a missing-value code")
        unit.omitted[each.column] = f"missing-value code: {value.reason}"
        return
    if isinstance(value, Absent):
        values["absent"] = value.reason
    elif isinstance(value, Compared):
        if value.comparator and each.to != "value":
            raise BadCell("not-a-number", "has a comparator, which this field cannot hold")
        values[each.to] = value.value
        if value.comparator:
            values["comparator"] = value.comparator
    else:
        values[each.to] = _joined(values.get(each.to), value) if each.listed else value
    unit.claimed.add(each.column)


def _joined(known: Sequence[str] | None, more: Sequence[str]) -> tuple[str, ...]:
    """The terms of several cells, each once."""
    return tuple(dict.fromkeys((*(known or ()), *more)))


def backwards(start: str | None, end: str | None) -> bool:
    """True when an end lies before its start, compared at the precision both have."""
    if start is None or end is None:
        return False
    shared = min(len(start), len(end), 19)
    return end[:shared] < start[:shared]
