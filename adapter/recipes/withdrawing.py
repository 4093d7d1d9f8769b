"""Units of subjects who withdrew: what lies after that day is dead before it is mapped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from adapter.recipes.recipe import Fault, Unit
from mappings.entities import Consent, Disposition, Key, Subject
from mappings.withdrawal import date_of

Judge: TypeAlias = Callable[[Any], tuple[str, str] | None]
# a subject, its consents and dispositions, whether one of them was not read -> rule and reason why
# an entity is held back
WithdrawalGate: TypeAlias = Callable[[Subject, Sequence[Any], bool], Judge | None]


def hold_back_withdrawn(units: Sequence[Unit], gate: WithdrawalGate) -> list[Any]:
    """Reject, by row, what a withdrawal holds back; returns the entities held back so.

    What has no date of its own goes with what it belongs to, such as a visit or a parent sample.
    """
    judges = _judges(units, gate)
    mine = [unit for unit in units if unit.dead is None and unit.owner in judges]
    held = [unit for unit in mine if _is_held(unit, judges[unit.owner])]
    follows = held
    while follows:
        gone = {(d.entity.__name__, d.key): unit.dead for unit in follows for d in unit.drafts}
        follows = [unit for unit in mine if unit.dead is None and _goes_with(unit, gone)]
        held += follows
    return [entity for unit in held for entity in unit.entities()]


def _judges(units: Sequence[Unit], gate: WithdrawalGate) -> dict[Key, Judge]:
    """What to ask about the entities of each subject who withdrew."""
    ends: defaultdict[Key, list[Any]] = defaultdict(list)
    unread: set[Key] = set()
    for unit in units:
        if unit.recipe.entity in (Consent, Disposition) and unit.subject and not unit.merged:
            if unit.dead is None:
                ends[unit.subject] += unit.entities()
            elif _may_withdraw(unit):
                unread.add(unit.subject)
    judges = {}
    for unit in units:
        if unit.recipe.entity is Subject and unit.dead is None and not unit.merged:
            [subject] = unit.entities()
            judge = gate(subject, ends[unit.key], unit.key in unread)
            if judge is not None:
                judges[unit.key] = judge
    return judges


def _may_withdraw(unit: Unit) -> bool:
    """Whether a rejected row may say that the subject withdrew."""
    if unit.recipe.entity is Disposition:
        said: str = unit.recipe.constants.get("status", "withdrawn")
        return said == "withdrawn"
    fields = [field for field in unit.recipe.fields if field.to == "withdrawn"]
    return any(unit.row.filled(field.column) for field in fields)


def _is_held(unit: Unit, judge: Judge) -> bool:
    refusal = next(filter(None, map(judge, unit.entities())), None)
    if refusal is not None:
        unit.dead = Fault("", *refusal)
    return refusal is not None


def _goes_with(unit: Unit, gone: Mapping[tuple[str, Key], Fault | None]) -> bool:
    """Whether a unit without a date belongs to something that is held back; then it is too."""
    if any(date_of(each) for each in unit.entities()):
        return False
    why = next((gone[to] for e, key, *_ in unit.links.values() if (to := (e, key)) in gone), None)
    unit.dead = why
    return why is not None
