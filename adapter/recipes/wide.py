"""Wide tables to many drafts: measures, questionnaire items and sequencing findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter.recipes.cells import Absent, BadCell, Compared, Defaulted, Parser
from adapter.recipes.recipe import Draft, Fault, Unit
from adapter.sources import DictionaryField
from mappings.entities import Answer, Component, Finding, Measurement


@dataclass(frozen=True, slots=True)
class Measure:
    """A column that is a measurement of its own, with the columns of its components."""

    name: str  # last part of the measurement's key
    column: str | None  # None when only the components are columns (blood pressure)
    code: str
    unit: str | None
    parse: Parser
    components: Sequence[Measure] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column this measure reads."""
        own = (self.column,) if self.column else ()
        return own + tuple(c for each in self.components for c in each.columns)


def read_cell(unit: Unit, column: str, parse: Parser) -> Any:
    """The parsed value of a cell, or None when it is empty or bad (a fault is noted)."""
    if not unit.row.filled(column):
        return None
    try:
        return parse(unit.row.cells[column])
    except BadCell as bad:
        unit.faults.append(Fault(column, bad.rule, bad.why))
        return None


def measurements(measures: Sequence[Measure]) -> Callable[[Unit, dict[str, Any]], None]:
    """One Measurement for each filled column."""
    columns_of = [(measure, measure.columns) for measure in measures]

    def many(unit: Unit, shared: dict[str, Any]) -> None:
        common = tuple(sorted(unit.claimed))
        for measure, columns in columns_of:
            values = {} if unit.row.held.isdisjoint(columns) else _measured(unit, measure)
            if not values:
                continue
            used = tuple([c for c in columns if unit.row.filled(c) and not _bad(unit, c)])
            unit.claimed.update(used)
            unit.drafts.append(
                Draft(
                    Measurement, (*unit.key, measure.name), {**shared, **values}, (*common, *used)
                )
            )

    return many


def _bad(unit: Unit, column: str) -> bool:
    return any(fault.column == column for fault in unit.faults)


def _measured(unit: Unit, measure: Measure) -> dict[str, Any]:
    values = _value(unit, measure)
    components = tuple(filter(None, (_component(unit, each) for each in measure.components)))
    if not values and not components:
        return {}
    if not values and measure.column:
        for each in measure.components:
            if each.column and unit.row.filled(each.column) and not _bad(unit, each.column):
                why = f"belongs to {measure.column}, which has no value"
                unit.faults.append(Fault(each.column, "missing-value", why))
        return {}
    return {"code": measure.code, **values, "components": components}


def _value(unit: Unit, measure: Measure) -> dict[str, Any]:
    value = read_cell(unit, measure.column, measure.parse) if measure.column else None
    if isinstance(value, Defaulted):
        unit.defaulted.add(measure.column or "")
        value = value.term
    if isinstance(value, Absent):
        return {"absent": value.reason}
    if isinstance(value, Compared):
        return {"value": value.value, "comparator": value.comparator, "unit": measure.unit}
    if isinstance(value, bool):
        return {"flag": value}
    return {"term": value} if value is not None else {}


def _component(unit: Unit, measure: Measure) -> Component | None:
    value = read_cell(unit, measure.column, measure.parse) if measure.column else None
    if isinstance(value, Absent):
        return Component(code=measure.code, absent=value.reason)
    if isinstance(value, Compared):
        return Component(code=measure.code, value=value.value, unit=measure.unit)
    return None


def answers(items: Sequence[DictionaryField], parsers: Mapping[str, Parser]) -> Any:
    """A step that collects the answers of a form, typed as its dictionary says."""

    def finish(unit: Unit, values: dict[str, Any]) -> None:
        found = []
        for item in items:
            value = read_cell(unit, item.name, parsers[item.name])
            if value is not None:
                unit.claimed.add(item.name)
                found.append(_answer(item, value))
        values["items"] = tuple(found)

    return finish


def _answer(item: DictionaryField, value: Any) -> Answer:
    if isinstance(value, Compared):
        if item.validation == "integer":
            return Answer(link=item.name, integer=int(value.value))
        return Answer(link=item.name, value=value.value)
    if isinstance(value, bool):
        return Answer(link=item.name, flag=value)
    if item.choices:
        return Answer(link=item.name, code=(value, dict(item.choices)[value]))
    if item.validation.startswith(("date_", "datetime_")):
        return Answer(link=item.name, date=value)
    return Answer(link=item.name, text=value)


NAMES = ("target", "gene", "gene_id")  # what a finding cannot do without: one of these


@dataclass(frozen=True, slots=True)
class FindingColumns:
    """The columns of one sequencing finding, by field: ``target``, ``gene``, ``reads`` ..."""

    columns: Mapping[str, str]
    parsers: Mapping[str, Parser]


def findings(parts: Sequence[FindingColumns]) -> Any:
    """A step that collects what a sequencing run found."""

    def finish(unit: Unit, values: dict[str, Any]) -> None:
        found = (_found(unit, each) for each in parts)
        values["findings"] = tuple(each for each in found if each)

    return finish


def _found(unit: Unit, part: FindingColumns) -> Finding | None:
    cells = {
        name: read_cell(unit, column, part.parsers[name]) for name, column in part.columns.items()
    }
    read = {name: getattr(v, "value", v) for name, v in cells.items() if v is not None}
    named = [name for name in NAMES if name in part.columns]
    if not any(name in read for name in named):
        why = f"{part.columns[named[0]]} has no value"
        for name in read:
            unit.faults.append(Fault(part.columns[name], "missing-value", why))
        return None
    unit.claimed.update(part.columns[name] for name in read)
    return Finding(**read)
