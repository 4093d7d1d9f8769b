"""Cells that are empty or cannot be read, of fields that would otherwise say something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from adapter.errors import ConfigurationError
from adapter.recipes import Assembly, Scope, assemble, compile_recipes
from adapter.sources import read_sources
from adapter.study import Study
from mappings.entities import Consent, Event, Measurement, Sample, Treatment

T = TypeVar("T")
Made = Callable[..., Assembly]
CODES = "codes: {d: death, h: hospitalization}"


@pytest.fixture
def made(folder: Path) -> Made:
    """What a recipe makes of the first child's row, with one more column ``x``."""

    def run(entity: str, spec: str, cell: str, more: str = "") -> Assembly:
        recipe = f"  more:\n    entity: {entity}\n    source: people\n    key: [id]\n"
        recipe += f"    subject: id\n    where: {{id: ['01']}}\n{more}    fields:\n{spec}"
        text = (folder / "study.yaml").read_text(encoding="utf-8")
        (folder / "study.yaml").write_text(text.replace("recipes:\n", f"recipes:\n{recipe}"))
        rows = (folder / "people.csv").read_text(encoding="utf-8").splitlines()
        rows = [f"{rows[0]},x", f"{rows[1]},{cell}", *(f"{row}," for row in rows[2:])]
        (folder / "people.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        study = Study(folder)
        tables = read_sources(study.settings.sources)
        recipes = compile_recipes(Scope(study.settings, tables, study.codes, study.pseudonym))
        assembly = assemble(recipes, tables, study.settings.collision_limit)
        assembly.ledger.sums()
        return assembly

    return run


def of(kind: type[T], assembly: Assembly) -> list[T]:
    return [each for each in assembly.entities() if isinstance(each, kind)]


def rejects(assembly: Assembly) -> list[tuple[str, str, str]]:
    return [(r.column, r.rule, r.effect) for r in assembly.ledger.rejects()]


def omissions(assembly: Assembly) -> list[str]:
    return [each["reason"] for each in assembly.ledger.omissions() if each["column"] == "x"]


def fields(spec: str, date: str) -> str:
    return f"      x: {spec}\n      enrolled: {{to: {date}}}\n"


DECISION = fields("{to: decision, codes: {1: permit, 0: deny}}", "date")


@pytest.mark.parametrize(("cell", "rule"), [("7", "unknown-code"), ("", "missing-value")])
def test_nobody_consents_by_a_cell_that_is_empty_or_unreadable(
    made: Made, cell: str, rule: str
) -> None:
    assembly = made("Consent", DECISION, cell)
    assert of(Consent, assembly) == []
    assert rejects(assembly) == [("x", rule, "row")]


def test_a_consent_without_a_column_for_the_decision_is_given(made: Made) -> None:
    (consent,) = of(Consent, made("Consent", "      enrolled: {to: date}\n", ""))
    assert consent.decision == "permit"


@pytest.mark.parametrize(
    ("entity", "spec", "date", "more"),
    [
        ("Diagnosis", "{to: status}", "onset", "    set: {term: asthma}\n"),
        ("Sample", "{to: state}", "collected", "    set: {material: serum}\n"),
        ("Support", "{to: status}", "start", "    set: {mode: hfnc}\n"),
        ("Treatment", "{to: status}", "start", "    set: {drug: ceftriaxone}\n"),
        ("SequencingResult", "{to: status}", "date", ""),
        ("SequencingResult", "{to: kind}", "date", ""),
        ("Answers", "{to: status}", "date", "    form: f\n"),
        ("Visit", "{to: kind}", "start", "    set: {kind: inpatient}\n"),
    ],
)  # fmt: skip
def test_no_default_or_constant_stands_in_for_an_unreadable_cell(
    made: Made, entity: str, spec: str, date: str, more: str
) -> None:
    assembly = made(entity, fields(spec, date), "gibberish", more)
    assert [type(each).__name__ for each in assembly.entities()].count(entity) == 0
    assert rejects(assembly) == [("x", "unknown-code", "row")]


def test_an_empty_cell_keeps_the_default(made: Made) -> None:
    spec = fields("{to: state}", "collected")
    (sample,) = of(Sample, made("Sample", spec, "", "    set: {material: serum}\n"))
    assert sample.state == "available"


@pytest.mark.parametrize(
    ("spec", "cell", "more", "status"),
    [
        ("{to: end}", "", "", "in-progress"),
        ("{to: end}", "2024-03-01", "", None),
        ("{to: end}", "", ", status: stopped", "stopped"),
        ("{to: batch}", "", "", None),
    ],
)
def test_a_course_without_its_end_goes_on(
    made: Made, spec: str, cell: str, more: str, status: str | None
) -> None:
    constants = f"    set: {{drug: ceftriaxone{more}}}\n"
    (treatment,) = of(Treatment, made("Treatment", fields(spec, "start"), cell, constants))
    assert treatment.status == status


def test_a_missing_value_code_is_no_empty_cell(made: Made) -> None:
    spec = fields('{to: state, missing: {"-9": unknown}}', "collected")
    assembly = made("Sample", spec, "-9", "    set: {material: serum}\n")
    assert of(Sample, assembly) == []
    assert rejects(assembly) == [("x", "missing-value", "row")]


def test_a_missing_value_code_where_no_reason_fits_is_omitted_with_its_reason(made: Made) -> None:
    spec = fields('{to: dose, missing: {"-9": not-performed}}', "start")
    assembly = made("Treatment", spec, "-9", "    set: {drug: ceftriaxone}\n")
    (treatment,) = of(Treatment, assembly)
    assert treatment.dose is None
    assert (rejects(assembly), omissions(assembly)) == ([], ["missing-value code: not-performed"])


def test_a_limit_that_is_missing_does_not_say_that_the_result_is(made: Made) -> None:
    spec = fields('{to: low, missing: {"-9": not-performed}}', "when")
    spec += "      arm: {to: value}\n"
    more = "    set: {code: crp, unit: mg/L}\n"
    found = of(Measurement, made("Measurement", spec, "-9", more))
    measured = next(each for each in found if each.key == ("01",))
    assert (str(measured.value), measured.absent, measured.low) == ("1", None, None)


@pytest.mark.parametrize(
    ("spec", "cell", "criteria"),
    [
        (f"{{to: criteria, {CODES}}}", "d", ("death",)),
        (f"{{to: criteria, separator: '|', {CODES}}}", "h|d|h", ("hospitalization", "death")),
        (f"{{to: criteria, separator: '|', {CODES}}}", "", ()),
    ],
)
def test_one_column_may_fill_a_field_of_several_terms(
    made: Made, spec: str, cell: str, criteria: tuple[str, ...]
) -> None:
    more = "    set: {term: fever}\n"
    (event,) = of(Event, made("Event", fields(spec, "onset"), cell, more))
    assert event.criteria == criteria


def test_a_number_is_not_exact_because_its_comparator_cannot_be_read(made: Made) -> None:
    spec = fields("{to: comparator}", "when") + "      arm: {to: value}\n"
    more = "    set: {code: crp, unit: mg/L}\n"
    assert rejects(made("Measurement", spec, "~", more)) == [("x", "unknown-code", "row")]


@pytest.mark.parametrize(
    ("entity", "spec", "says"),
    [
        ("Event", "{to: severity, separator: ','}", "severity holds one value"),
        ("Event", "{to: severity, missing: {'-9': no-idea}}", "no code table explains"),
        ("SequencingResult", "{to: findings}", "has no field 'findings'"),
    ],
)
def test_what_cannot_work_is_refused_with_its_line(
    made: Made, entity: str, spec: str, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        made(entity, fields(spec, "onset" if entity == "Event" else "date"), "1")
    assert caught.value.where is not None
    assert caught.value.where.line is not None


def test_boxes_are_for_fields_of_several_terms(made: Made) -> None:
    more = "    checkbox: {x: {to: severity, codes: {1: mild}}}\n"
    with pytest.raises(ConfigurationError, match="severity holds one value"):
        made("Event", "      enrolled: {to: onset}\n", "1", more)
