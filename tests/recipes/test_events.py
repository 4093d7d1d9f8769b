"""Adverse events: several suspects with a causality each, and what contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapter.recipes import Assembly, Scope, assemble, compile_recipes
from adapter.sources import read_sources
from adapter.study import Study
from mappings.entities import Event, Suspect

RECIPES = """\
  doses:
    entity: Treatment
    source: doses
    key: [id, dose]
    subject: id
    set: {drug: ceftriaxone}
    fields: {given: {to: start}}
  events:
    entity: Event
    source: events
    key: [id]
    subject: id
    set: {term: fever}
    fields:
      onset: {to: onset}
      serious: {to: serious}
      criteria: {to: criteria, separator: "|"}
      outcome: {to: outcome}
    suspects:
      - {treatment: [id, dose1], causality: cause1, codes: &cause {1: possible, 2: unlikely}}
      - {treatment: [id, dose2], causality: cause2, codes: *cause}
      - {causality: cause3, codes: *cause}
"""
SOURCES = """\
  doses: {format: csv, file: doses.csv}
  events: {format: csv, file: events.csv}
"""
DOSES = "id,dose,given\n01,a,2024-01-11\n01,b,2024-01-12\n"
HEAD = "id,onset,serious,criteria,outcome,dose1,cause1,dose2,cause2,cause3\n"
A, B = ("01", "a"), ("01", "b")
Made = Callable[..., tuple[list[Event], list[tuple[str, str, str]], Assembly]]


@pytest.fixture
def made(folder: Path) -> Made:
    """The event that a row after ``01,2024-01-13,`` comes to, and the rejects."""

    def run(row: str, *flavours: str) -> tuple[list[Event], list[tuple[str, str, str]], Assembly]:
        text = (folder / "study.yaml").read_text(encoding="utf-8")
        text = text.replace("recipes:\n", f"recipes:\n{RECIPES}")
        text = text.replace("sources:\n", f"sources:\n{SOURCES}")
        (folder / "study.yaml").write_text(f"flavours: [{', '.join(flavours)}]\n{text}")
        (folder / "doses.csv").write_text(DOSES, encoding="utf-8")
        (folder / "events.csv").write_text(f"{HEAD}01,2024-01-13,{row}\n", encoding="utf-8")
        study = Study(folder)
        tables = read_sources(study.settings.sources)
        recipes = compile_recipes(Scope(study.settings, tables, study.codes, study.pseudonym))
        assembly = assemble(recipes, tables, study.settings.collision_limit)
        assembly.ledger.sums()
        found = [each for each in assembly.entities() if isinstance(each, Event)]
        rejects = [(r.column, r.rule, r.effect) for r in assembly.ledger.rejects()]
        return found, rejects, assembly

    return run


@pytest.mark.parametrize(
    ("cells", "suspects", "rejects"),
    [
        ("a,1,b,2,", (Suspect(treatment=A, causality="possible"),
                      Suspect(treatment=B, causality="unlikely")), []),
        (",,b,2,1", (Suspect(treatment=B, causality="unlikely"),
                     Suspect(causality="possible")), []),
        ("a,,,,", (Suspect(treatment=A),), []),
        (",,,,", (), []),
        ("a,7,,,", (Suspect(treatment=A),), [("cause1", "unknown-code", "cell")]),
        (",1,,,", (), [("cause1", "missing-value", "cell")]),
        ("z,1,b,2,", (Suspect(treatment=B, causality="unlikely"),),
         [("cause1", "unknown-reference", "cell"), ("dose1", "unknown-reference", "cell")]),
    ],
)  # fmt: skip
def test_each_suspect_has_its_own_causality(
    made: Made, cells: str, suspects: tuple[Suspect, ...], rejects: list[tuple[str, str, str]]
) -> None:
    (event,), found, _ = made(f"1,death,fatal,{cells}")
    assert event.suspects == suspects
    assert found == rejects


@pytest.mark.parametrize(
    ("cells", "flavour", "rejects"),
    [
        ("0,death,fatal", "", [("serious", "contradiction", "row")]),
        ("0,,", "", []),
        (",,", "", []),
        (",death,fatal", "ae-backport", []),
        ("1,,fatal", "ae-backport", [("criteria", "missing-value", "row")]),
        (",,fatal", "ae-backport", [("serious", "missing-value", "row")]),
        ("0,,", "ae-backport", [("outcome", "missing-value", "row")]),
        ("0,,resolved", "ae-backport", []),
    ],
)
def test_seriousness_does_not_contradict_itself(
    made: Made, cells: str, flavour: str, rejects: list[tuple[str, str, str]]
) -> None:
    events, found, _ = made(f"{cells},,,,,", *([flavour] if flavour else []))
    assert (len(events), found) == (0 if rejects else 1, rejects)


def test_what_nobody_said_is_not_known(made: Made) -> None:
    (event,), _, _ = made(",,,,,,,")
    assert event.serious is None
