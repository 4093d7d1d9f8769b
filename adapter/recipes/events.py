"""Adverse events: several suspected treatments, and what must not contradict itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from adapter.recipes.cells import Parser
from adapter.recipes.recipe import Fault, Step, Suspected, Unit, key_from
from adapter.recipes.wide import read_cell
from mappings.entities import Suspect

BACKPORT = "ae-backport"
BACKPORT_NEEDS = ("serious", "outcome")  # beyond our own profile


@dataclass(frozen=True, slots=True)
class SuspectColumns:
    """The columns of one suspected treatment: its key's parts, and its causality."""

    treatment: tuple[str, ...]
    causality: str | None
    parse: Parser

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the source that this reads."""
        named = (*self.treatment, *([self.causality] if self.causality else ()))
        return tuple(part for part in named if not part.startswith("="))


def suspects(columns: Sequence[SuspectColumns]) -> Step:
    """A step that collects the suspected treatments, each with a causality of its own."""

    def finish(unit: Unit, values: dict[str, Any]) -> None:
        found = [_suspect(unit, each) for each in columns]
        values["suspects"] = tuple(each for each in found if each)

    return finish


def _suspect(unit: Unit, each: SuspectColumns) -> Suspect | None:
    said = read_cell(unit, each.causality, each.parse) if each.causality else None
    causality = getattr(said, "term", said)
    key = key_from(unit.row, each.treatment) if each.treatment else None
    if each.treatment and key is None:
        if causality is not None and each.causality:
            why = "is about a treatment that is not named"
            unit.faults.append(Fault(each.causality, "missing-value", why))
        return None
    if key is None and causality is None:
        return None
    if key is not None:
        unit.suspected.append(Suspected(key, each.columns))
    unit.claimed.update(column for column in each.columns if unit.row.filled(column))
    return Suspect(treatment=key, causality=causality)


def consistent(flavours: Collection[str]) -> Step:
    """A step that rejects an event whose seriousness contradicts itself, or a flavour's guide."""

    def finish(unit: Unit, values: dict[str, Any]) -> None:
        serious, criteria = values.get("serious"), values.get("criteria")
        if serious is None and criteria:
            serious = True  # a criterion is what makes an event serious
        if serious is False and criteria:
            why = "says not serious, beside a criterion of seriousness"
            unit.dead = Fault(_column(unit, "serious"), "contradiction", why)
        if unit.dead is not None or BACKPORT not in flavours:
            return
        for name in BACKPORT_NEEDS:
            if (serious if name == "serious" else values.get(name)) is None:
                unit.dead = Fault(_column(unit, name), "missing-value", f"{BACKPORT} needs {name}")
                return
        if serious and not criteria:
            why = f"{BACKPORT} needs a criterion of what is serious"
            unit.dead = Fault(_column(unit, "criteria"), "missing-value", why)

    return finish


def _column(unit: Unit, to: str) -> str:
    """The column of a field, the first where there are several; none for a constant."""
    found = [field.column for field in unit.recipe.fields if field.to == to]
    boxes = [column for box in unit.recipe.checkboxes if box.to == to for column in box.columns]
    return next(iter((*found, *boxes)), "")
