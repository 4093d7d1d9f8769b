"""Rows to entities: what a data manager would try, and what the ledger says about it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from adapter.errors import ConfigurationError, LedgerError
from adapter.recipes import Assembly, Scope, assemble, compile_recipes
from adapter.sources import read_sources
from adapter.study import Study
from mappings.entities import Measurement, Subject


def run(folder: Path) -> Assembly:
    study = Study(folder)
    tables = read_sources(study.settings.sources)
    recipes = compile_recipes(Scope(study.settings, tables, study.codes, study.pseudonym))
    return assemble(recipes, tables, study.settings.collision_limit)


def rejects(folder: Path) -> list[tuple[str, str, str]]:
    return [(r.place, r.rule, r.effect) for r in run(folder).ledger.rejects()]


@pytest.fixture
def edit(folder: Path) -> Callable[[str, str, str], Path]:
    def change(name: str, old: str, new: str) -> Path:
        file = folder / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
        return folder

    return change


def measurements(assembly: Assembly) -> list[Measurement]:
    return [e for e in assembly.entities() if isinstance(e, Measurement)]


def test_every_cell_of_a_good_study_is_mapped_or_omitted(folder: Path) -> None:
    assembly = run(folder)
    assert [type(e) for e in assembly.entities()].count(Subject) == 2
    people, lab = (assembly.ledger.sums()[name] for name in ("people", "lab"))
    assert (people["cells"], people["mapped"], people["omitted"]) == (12, 10, 2)
    assert (lab["cells"], lab["mapped"]) == (18, 18)
    assert assembly.ledger.rejects() == []


def test_decimals_keep_their_zeros_and_comparators(folder: Path) -> None:
    crp, pct, _ = measurements(run(folder))
    assert str(crp.value) == "12.50"
    assert (pct.value, pct.comparator) == (Decimal("0.05"), "<")


def test_local_time_gets_the_offset_of_the_study(folder: Path) -> None:
    assert measurements(run(folder))[0].when == "2024-01-10T08:30:00+08:00"


def test_a_missing_value_code_becomes_a_reason(edit: Callable[..., Path]) -> None:
    crp = measurements(run(edit("lab.csv", "12.50", "-99")))[0]
    assert (crp.value, crp.absent) == (None, "not-performed")


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "rule", "effect"),
    [
        ("lab.csv", "02-11 09:00", "02-30 09:00", "lab.csv:4:taken", "impossible-date", "row"),
        ("lab.csv", "12.50", "high", "lab.csv:2:result", "not-a-number", "row"),
        ("lab.csv", "3,mg/L", "3,ng/mL", "lab.csv:4:unit", "wrong-unit", "row"),
        ("lab.csv", "3,mg/L", "3,stone", "lab.csv:4:unit", "unknown-code", "row"),
        ("lab.csv", "a2,02,CRP", "a2,02,XYZ", "lab.csv:4:test", "unknown-code", "row"),
        ("lab.csv", "a2,02", "a2,99", "lab.csv:4:id", "unknown-subject", "row"),
        ("lab.csv", "a2,02", ",02", "lab.csv:4:order", "missing-key", "row"),
        ("lab.csv", "a2,02", " a2,02", "lab.csv:4:order", "malformed-key", "row"),
        ("lab.csv", ",3,", ",,", "lab.csv:4:result", "missing-value", "row"),
        ("lab.csv", "08:30\na2", "8.30\na2", "lab.csv:3:taken", "impossible-date", "row"),
        ("lab.csv", "02-11 09:00", "02-11 09:00,x", "lab.csv:4", "malformed-row", "row"),
    ],
)  # fmt: skip
def test_a_bad_cell_is_named_by_place_and_rule(
    edit: Callable[..., Path], file: str, old: str, new: str, place: str, rule: str, effect: str
) -> None:
    folder = edit(file, old, new)
    assert rejects(folder) == [(place, rule, effect)]
    run(folder).ledger.sums()


@pytest.mark.parametrize(("old", "column"), [("2024-02-11", "enrolled"), ("2018-11-30", "born")])
def test_rows_of_a_rejected_subject_go_with_it(
    edit: Callable[..., Path], old: str, column: str
) -> None:
    found = rejects(edit("people.csv", old, "soon"))
    assert found == [
        ("lab.csv:4:id", "rejected-subject", "row"),
        (f"people.csv:3:{column}", "impossible-date", "row"),
    ]


def test_an_equal_duplicate_is_merged_not_rejected(edit: Callable[..., Path]) -> None:
    row = "a2,02,CRP,3,mg/L,2024-02-11 09:00\n"
    assembly = run(edit("lab.csv", row, row * 2))
    assert assembly.ledger.rejects() == []
    assert assembly.ledger.sums()["lab"]["merged"] == 6
    assert len(measurements(assembly)) == 3


def test_rows_with_one_key_and_different_content_are_all_rejected(
    edit: Callable[..., Path],
) -> None:
    row = "a2,02,CRP,3,mg/L,2024-02-11 09:00\n"
    folder = edit("lab.csv", row, row + row.replace(",3,", ",4,"))
    assert rejects(folder) == [
        ("lab.csv:4", "duplicate-key", "row"),
        ("lab.csv:5", "duplicate-key", "row"),
    ]


def test_a_key_that_tells_no_rows_apart_stops_the_run(edit: Callable[..., Path]) -> None:
    edit("study.yaml", "collision-limit: 50%", "collision-limit: 1%")
    edit("study.yaml", "key: [order, test]", "key: [order]")
    row = "a2,02,CRP,3,mg/L,2024-02-11 09:00\n"
    folder = edit("lab.csv", row, "".join(row.replace(",3,", f",{n},") for n in range(9)))
    with pytest.raises(ConfigurationError, match="does not tell rows apart"):
        run(folder)


def test_a_column_nobody_takes_is_refused_before_any_row_is_read(
    edit: Callable[..., Path],
) -> None:
    edit("people.csv", "id,name,arm", "id,name,shoe,arm")
    folder = edit("people.csv", "7f3a,", "7f3a,38,")
    with pytest.raises(ConfigurationError) as caught:
        run(folder)
    assert "shoe" in str(caught.value)
    assert "omit" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("born: {to: birth_year}", "borm: {to: birth_year}", "did you mean 'born'"),
        ("{to: birth_year}", "{to: birth_yaer}", "did you mean 'birth_year'"),
        ("CRP: crp", "CRP: cpr", "did you mean 'crp'"),
        ("entity: Measurement", "entity: Measure", "there is no entity"),
        ("source: lab", "source: labs", "there is no source"),
        ("subject: id", "title: x", "whose rows"),
        ("%Y-%m-%d %H:%M", "YYYY-MM-DD", "by this format"),
        ("%Y-%m-%d %H:%M", "%d.%m.%Q", "by this format"),
        ("%Y-%m-%d %H:%M", "%Y-%m-%d %I:%M", "more than can be kept"),
    ],
)
def test_a_slip_in_study_yaml_is_named_with_its_line(
    edit: Callable[..., Path], old: str, new: str, says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        run(edit("study.yaml", old, new))
    assert says in str(caught.value)
    assert caught.value.where is not None
    assert caught.value.where.line is not None


@pytest.mark.parametrize(
    ("born", "enrolled", "column", "rule"),
    [
        ("2024-03-02", "2023-12-10", "enrolled", "date-order"),
        ("2025-03-02", "2025-01-10", "born", "out-of-range"),
        ("2024-12-31", "2024-01-10", None, None),
    ],
)
def test_nobody_is_born_after_enrolment_or_in_a_year_to_come(
    edit: Callable[..., Path], born: str, enrolled: str, column: str | None, rule: str | None
) -> None:
    study = Study(edit("people.csv", "2015-03-02,2024-01-10", f"{born},{enrolled}"))
    study.today = "2024-12-31"
    tables = read_sources(study.settings.sources)
    recipes = compile_recipes(study.scope(tables))
    found = assemble(recipes, tables, study.settings.collision_limit).ledger.rejects()
    assert [(r.column, r.rule, r.effect) for r in found if r.rule != "rejected-subject"] == (
        [(column, rule, "row")] if rule else []
    )


def test_the_run_fails_when_a_row_is_taken_by_no_recipe(edit: Callable[..., Path]) -> None:
    folder = edit("study.yaml", "    subject: id\n", "    subject: id\n    where: {test: [CRP]}\n")
    with pytest.raises(LedgerError, match="6 cells have no outcome"):
        run(folder).ledger.sums()


def test_no_reject_quotes_a_cell(edit: Callable[..., Path]) -> None:
    edit("people.csv", "2018-11-30", "CANARY-CELL")
    folder = edit("lab.csv", "12.50", "CANARY-CELL")
    assert "CANARY" not in repr(run(folder).ledger.rejects())


def test_two_recipes_of_wide_tables_may_share_a_key_and_lose_nothing(
    edit: Callable[..., Path],
) -> None:
    wide = (
        "  {name}:\n    entity: Measurement\n    source: people\n    key: [id]\n    subject: id\n"
    )
    wide += "    fields: {{enrolled: {{to: when}}}}\n    measures: {{{measure}}}\n"
    more = wide.format(name="one", measure="crp: {code: crp, unit: mg/L}")
    more += wide.format(name="two", measure="pct: {code: pct, unit: ng/mL}")
    edit("study.yaml", "recipes:\n", "recipes:\n" + more)
    edit("people.csv", "enrolled\n01", "enrolled,crp,pct\n01")
    edit("people.csv", "2024-01-10", "2024-01-10,1.5,0.2")
    assembly = run(edit("people.csv", "2024-02-11", "2024-02-11,2.5,0.3"))
    made = [(m.key, str(m.value)) for m in measurements(assembly) if m.key[0] in ("01", "02")]
    assert sorted(made) == [
        (("01", "crp"), "1.5"), (("01", "pct"), "0.2"),
        (("02", "crp"), "2.5"), (("02", "pct"), "0.3"),
    ]  # fmt: skip
    assert assembly.ledger.sums()["people"]["merged"] == 0


@pytest.mark.parametrize(
    ("old", "new", "says", "hint"),
    [
        ("{site: main}", "{site: mian}", "there is no site 'mian'", "did you mean 'main'?"),
        ("mg/L: mg/L", "mg/L: mg/l", "no measurement has the unit 'mg/l'", "did you mean 'mg/L'"),
    ],
)
def test_what_no_row_could_mend_is_said_before_any_row(
    edit: Callable[..., Path], old: str, new: str, says: str, hint: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        run(edit("study.yaml", old, new))
    assert caught.value.message == says
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(hint)
    assert caught.value.where is not None
    assert caught.value.where.line


def test_a_code_file_has_each_code_once(folder: Path, edit: Callable[..., Path]) -> None:
    (folder / "codes.csv").write_text("source,term\nCRP,pct\nPCT,pct\nCRP,crp\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="stands twice") as caught:
        run(edit("study.yaml", "codes: {CRP: crp, PCT: pct}", "codes: codes.csv"))
    assert str(caught.value.where) == "codes.csv:4"


def test_a_missing_result_in_a_foreign_unit_is_a_fault_of_the_row(
    edit: Callable[..., Path],
) -> None:
    folder = edit("lab.csv", "12.50,mg/L", "-99,ng/mL")
    assert rejects(folder) == [("lab.csv:2:unit", "wrong-unit", "row")]
