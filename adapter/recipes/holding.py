"""Units of subjects whose consent does not cover them: dead before anything is mapped of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from adapter.recipes.recipe import Fault, Unit
from mappings.entities import Consent, Key, Subject

# a subject and its consents -> entity class: rule and reason why it is held back
Gate: TypeAlias = Callable[[Subject, Sequence[Consent]], Mapping[type, tuple[str, str]]]


def hold_back(units: Sequence[Unit], gate: Gate) -> list[Any]:
    """Reject what the gate holds back, by row, whatever else is wrong with the row.

    Returns the entities that are held back of subjects who are not themselves.
    """
    consents, doubtful = _consents(units)
    refused: dict[Key, Mapping[type, tuple[str, str]]] = {}
    for unit in units:
        if unit.recipe.entity is Subject and unit.dead is None and not unit.merged:
            subject = unit.drafts[0].entity_of(unit.key)
            refused[unit.key] = gate(subject, () if unit.key in doubtful else consents[unit.key])
    held = []
    for unit in units:
        refusal = refused.get(unit.owner, {}).get(unit.recipe.entity)
        if refusal is None or unit.dead is not None:
            continue
        unit.dead = Fault("", *refusal)
        if Subject not in refused[unit.owner]:
            held += unit.entities()
    return held


def _consents(units: Sequence[Unit]) -> tuple[Mapping[Key, list[Consent]], set[Key]]:
    """The consents of each subject; and the subjects with one that was not read in full.

    Such a row may be the refusal that undoes an earlier consent, so it counts against all.
    """
    consents: defaultdict[Key, list[Consent]] = defaultdict(list)
    doubtful: set[Key] = set()
    for unit in units:
        if unit.recipe.entity is not Consent or unit.subject is None or unit.merged:
            continue
        if unit.dead is not None or unit.faults or not _decided(unit):
            doubtful.add(unit.subject)
        else:
            consents[unit.subject] += unit.entities()
    return consents, doubtful


def _decided(unit: Unit) -> bool:
    """False where a column holds the decision and its cell is empty: silence is no consent."""
    fields = [field for field in unit.recipe.fields if field.to == "decision"]
    return all(unit.row.filled(field.column) for field in fields)
