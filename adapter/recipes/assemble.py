"""From units to entities: duplicates, subjects, links; each refusal reaches the ledger.

The rules are those of docs/flow.md: equal duplicates merge, differing ones with one key are all
rejected; rows of a rejected or unknown subject are rejected; a dangling link loses that link only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from adapter.errors import ConfigurationError
from adapter.recipes.holding import Gate, hold_back
from adapter.recipes.ledger import Ledger
from adapter.recipes.origin import Origin
from adapter.recipes.recipe import Draft, Fault, Recipe, Suspected, Unit
from adapter.recipes.withdrawing import WithdrawalGate, hold_back_withdrawn
from adapter.sources import Table
from mappings.entities import Disposition, Key, Subject, SubjectEntity

FEW = 6  # clashing rows that are bad data rather than a bad key, however small the source


@dataclass(frozen=True, slots=True)
class Made:
    """An entity and the cells it was made of."""

    entity: Any
    origin: Origin


@dataclass(slots=True)
class Assembly:
    """What a study's rows came to: the entities of each subject, and the ledger so far."""

    ledger: Ledger
    subjects: dict[Key, list[Made]] = field(default_factory=dict)
    refused: set[Key] = field(default_factory=set)  # keys of rejected rows
    refused_subjects: set[Key] = field(default_factory=set)
    held: list[Any] = field(default_factory=list)  # that consent does not cover (any more)
    arms: tuple[str, ...] = ()  # as the recipes name them, then those that only cells name

    def entities(self) -> Iterable[SubjectEntity]:
        """Every entity of every subject."""
        return (made.entity for each in self.subjects.values() for made in each)


def assemble(
    recipes: Sequence[Recipe],
    tables: Mapping[str, Table],
    collision_limit: float,
    consent: Gate | None = None,
    withdrawal: WithdrawalGate | None = None,
) -> Assembly:
    """Apply the recipes to all rows, and hold back what ``consent`` or ``withdrawal`` forbids.

    Raises ConfigurationError when a key tells no rows apart.
    """
    units = [
        recipe.apply(row)
        for recipe in recipes
        for row in tables[recipe.source].rows
        if row.fault or recipe.selects(row)
    ]
    _unselected(tables, units)
    _duplicates(units, tables, collision_limit)
    _subjects(units, tables)
    held = hold_back(units, consent) if consent else []
    held += hold_back_withdrawn(units, withdrawal) if withdrawal else []
    _links(units)
    ledger = Ledger(tables)
    for unit in units:
        _book(unit, ledger)
    _book_omissions(tables, ledger)
    dead = [unit for unit in units if unit.dead is not None]
    subjects = _entities(units)
    return Assembly(
        ledger,
        subjects,
        refused={key for unit in dead for key in (unit.key, *(d.key for d in unit.drafts)) if key},
        refused_subjects={unit.key for unit in dead if unit.recipe.entity is Subject and unit.key},
        held=held,
        arms=tuple(dict.fromkeys(_arms(recipes, subjects))),
    )


def _arms(recipes: Sequence[Recipe], subjects: Mapping[Key, Sequence[Made]]) -> Iterator[str]:
    for recipe in recipes:
        yield from recipe.arms
    for made in subjects.values():
        if isinstance(made[0].entity, Subject):
            yield made[0].entity.arm


def _unselected(tables: Mapping[str, Table], units: list[Unit]) -> None:
    """A repeat instrument that the dictionary does not know rejects its row, by name."""
    taken = {(unit.row.source, unit.row.line) for unit in units}
    for table in tables.values():
        forms = {described.form for described in table.dictionary.values()}
        for row in table.rows:
            form = row.cells.get("redcap_repeat_instrument", "").strip()
            if form and form not in forms and (table.name, row.line) not in taken:
                fault = Fault("redcap_repeat_instrument", "unknown-code", "is no form of the study")
                units.append(_stray(table, row, fault))


def _stray(table: Table, row: Any, fault: Fault) -> Unit:
    recipe = Recipe("", object, table.name, (), None, {}, (), {}, (), (), (), lambda _: False, ())
    return Unit(recipe, row, claimed=set(row.cells), dead=fault)


def _duplicates(units: Sequence[Unit], tables: Mapping[str, Table], limit: float) -> None:
    groups: dict[tuple[str, Key], list[Unit]] = defaultdict(list)
    for unit in units:
        if unit.dead is None:
            groups[(unit.recipe.entity.__name__, unit.key)].append(unit)
    conflicts: dict[str, tuple[Recipe, int]] = {}
    for group in groups.values():
        by_recipe: dict[str, list[Unit]] = defaultdict(list)
        for unit in group:
            by_recipe[unit.recipe.name].append(unit)
        if not _clashing(list(by_recipe.values())):
            for alike in by_recipe.values():
                for unit in alike[1:]:
                    unit.merged = True
            continue
        places = ", ".join(str(unit.row.line) for unit in group)
        for unit in group:
            unit.dead = Fault("", "duplicate-key", f"one key, different content: lines {places}")
            count = conflicts.get(unit.recipe.name, (unit.recipe, 0))[1]
            conflicts[unit.recipe.name] = (unit.recipe, count + 1)
    for recipe, count in conflicts.values():
        rows = len(tables[recipe.source].rows)
        if count > max(limit * rows, FEW):
            raise ConfigurationError(
                f"the key of recipe {recipe.name!r} does not tell rows apart: "
                f"{count} of {rows} rows share keys",
                hint="add the columns that do (event, repeat instance) or a constant such as "
                f"'={recipe.name}' to its key; or raise collision-limit",
            )


def _clashing(by_recipe: Sequence[Sequence[Unit]]) -> bool:
    """True when rows of one recipe differ, or two recipes make entities with the same key.

    Recipes of wide tables may share a row's key: the column is part of each entity's own.
    """
    if any(_content(unit) != _content(alike[0]) for alike in by_recipe for unit in alike[1:]):
        return True
    keys = [draft.key for alike in by_recipe for draft in alike[0].drafts]
    return len(keys) != len(set(keys))


def _content(unit: Unit) -> Any:
    faults = {(f.column, unit.row.cells.get(f.column)) for f in unit.faults}
    return [(d.key, d.values) for d in unit.drafts], unit.links, unit.subject, faults


def _subjects(units: Sequence[Unit], tables: Mapping[str, Table]) -> None:
    accepted: set[Key] = set()
    rejected: dict[Key, str] = {}
    for unit in units:
        if unit.recipe.entity is not Subject:
            continue
        if unit.dead is None:
            accepted.add(unit.key)
        elif unit.key:
            rejected.setdefault(unit.key, str(tables[unit.row.source].where(unit.row.line)))
    for unit in units:
        if unit.dead is not None or unit.recipe.subject is None or unit.subject in accepted:
            continue
        column = unit.recipe.subject
        if unit.subject in rejected:
            place = rejected[unit.subject]
            unit.dead = Fault(column, "rejected-subject", f"the subject was rejected at {place}")
        else:
            unit.dead = Fault(column, "unknown-subject", "no row enrols this subject")


def _links(units: Sequence[Unit]) -> None:
    alive = {
        (draft.entity.__name__, draft.key)
        for unit in units
        if unit.dead is None
        for draft in unit.drafts
    }
    for unit in units:
        if unit.dead is not None:
            continue
        for to, (entity, key, column, optional) in unit.links.items():
            if (entity, key) in alive:
                for draft in unit.drafts:
                    draft.values[to] = key
            elif not optional:
                unit.faults.append(Fault(column, "unknown-reference", f"there is no such {entity}"))
        for suspected in unit.suspected:
            if ("Treatment", suspected.key) not in alive:
                _not_suspected(unit, suspected)


def _not_suspected(unit: Unit, suspected: Suspected) -> None:
    """Takes a suspect out that is no treatment of the study: its causality is about nothing."""
    for draft in unit.drafts:
        known = draft.values["suspects"]
        draft.values["suspects"] = tuple(s for s in known if s.treatment != suspected.key)
    own = [c for c in suspected.columns if c not in unit.recipe.key and c != unit.recipe.subject]
    for column in own or suspected.columns:
        if unit.row.filled(column):
            fault = Fault(column, "unknown-reference", "there is no such Treatment")
            unit.faults.append(fault)


def _book(unit: Unit, ledger: Ledger) -> None:
    source, line = unit.row.source, unit.row.line
    filled = set(unit.row.held.intersection(unit.claimed))
    bad = {fault.column for fault in unit.faults}
    for fault in (each for each in unit.faults if each != unit.dead):
        alone = {fault.column} if unit.drafts else filled | {fault.column}
        _reject(unit, fault, "cell", alone, ledger)
    if unit.dead is not None:
        _reject(unit, unit.dead, "row", filled | bad | _unread(unit), ledger)
    elif unit.drafts:
        outcome = "merged" if unit.merged else "mapped"
        ledger.record(source, line, (filled & unit.defaulted) - bad, "defaulted")
        ledger.record(source, line, filled - unit.defaulted - bad, outcome)
    else:
        for column in filled:
            ledger.omit(source, line, column, "stands beside no value")
    for column, reason in unit.omitted.items():
        ledger.omit(source, line, column, reason)


def _reject(unit: Unit, fault: Fault, effect: str, columns: Iterable[str], ledger: Ledger) -> None:
    ledger.reject(
        unit.row.source,
        unit.row.line,
        fault.column,
        fault.rule,
        fault.why,
        entity=unit.recipe.entity.__name__,
        effect=effect,
        columns=columns,
    )


def _unread(unit: Unit) -> set[str]:
    """Cells that a rejected row's recipe would have taken."""
    wanted = {field.column for field in unit.recipe.fields} | set(unit.recipe.more_columns)
    return wanted & unit.row.held


def _book_omissions(tables: Mapping[str, Table], ledger: Ledger) -> None:
    """What no recipe takes: structure columns, and fields the dictionary flags as identifying."""
    for table in tables.values():
        flagged = {f.name for f in table.dictionary.values() if f.identifier}
        for row in table.rows:
            for column in row.held:
                if column in table.omit:
                    ledger.omit(table.name, row.line, column, table.omit[column])
                elif column in table.structure:
                    ledger.omit(table.name, row.line, column, "gives the export its shape")
                elif column in flagged:
                    reason = "flagged as identifier in the dictionary"
                    ledger.omit(table.name, row.line, column, reason)


def _entities(units: Sequence[Unit]) -> dict[Key, list[Made]]:
    subjects: dict[Key, list[Made]] = {}
    ends: dict[Key, Disposition] = {}
    for unit in sorted(units, key=lambda unit: unit.recipe.entity is not Subject):
        if unit.dead is not None or unit.merged:
            continue
        for draft in unit.drafts:
            subject = unit.key if unit.recipe.entity is Subject else unit.subject
            made = Made(draft.entity_of(subject), _origin(unit, draft))
            if isinstance(made.entity, Disposition):
                ends[made.entity.subject] = made.entity
            subjects.setdefault(subject or (), []).append(made)
    for key, end in ends.items():
        first = subjects[key][0]
        subjects[key][0] = replace(first, entity=replace(first.entity, disposition=end))
    return subjects


def _origin(unit: Unit, draft: Draft) -> Origin:
    row = unit.row
    filled = tuple([column for column in draft.columns if column in row.held])
    return Origin(row.source, row.line, filled, unit.recipe.name)
