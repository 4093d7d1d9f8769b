"""Where a value came from: the cell, the recipe's line, the code's line, the unit, the rule."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import UsageError
from adapter.explain import Element, Explanation, Source, explain, functions
from adapter.explain.build import Explainer
from adapter.explain.differences import elements
from adapter.explain.find import Found, Searched
from adapter.explain.rules import Rules
from adapter.locate import shipped
from adapter.settings import RELEASES
from adapter.sources import Row
from adapter.study import Study
from adapter.validation.definitions import Definitions
from mappings import entities as e
from mappings import load_default_context, map_entity
from tests.conftest import STUDY_KEY

REFERENCE = shipped("examples") / "nct05862675"
ROOT = Path(__file__).resolve().parents[2]
CHILDREN = {"0001", "0002", "0003", "0052"}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference study with a fixed key and a handful of its children."""
    folder = tmp_path_factory.mktemp("explain") / "study"
    shutil.copytree(REFERENCE, folder, ignore=shutil.ignore_patterns(".study-fhir", "*.py"))
    (folder / ".study-fhir").mkdir()
    key = folder / ".study-fhir" / "study.key"
    key.write_text(STUDY_KEY.hex())
    key.chmod(0o600)
    for name in ("forms.csv", "laboratory.csv"):
        file = folder / "data" / name
        head, *lines = file.read_text(encoding="utf-8").splitlines()
        at = head.split(",").index("record_id")
        kept = [line for line in lines if line.split(",")[at] in CHILDREN]
        file.write_text("\n".join([head, *kept]) + "\n", encoding="utf-8")
    return folder


def search(folder: Path, release: str = "R4") -> Searched:
    """The folder, with the workbook's rows of those children only."""
    searched = Searched(Study(folder, fhir=release))
    tables = {
        name: dataclasses.replace(
            table, rows=tuple(r for r in table.rows if r.cells.get("record_id") in CHILDREN)
        )
        for name, table in searched.tables.items()
    }
    searched.__dict__["tables"] = tables
    return searched


def recipe_of(found: Found) -> str:
    return found.made[found.own].origin.recipe if found.own is not None else ""


def one_of_each(searched: Searched) -> Iterator[Found]:
    """A resource of every type and recipe."""
    seen = set()
    for found in searched.all():
        kind = (found.resource["resourceType"], recipe_of(found))
        if kind not in seen:
            seen.add(kind)
            yield found


@cache
def rules_of(release: str) -> Rules:
    return Rules(Definitions.shipped(release))


def explained(searched: Searched, found: Found, path: str = "", **more: Any) -> Explanation:
    rules = rules_of(searched.study.settings.fhir)
    return Explainer(searched, found, rules, **more).explain(path)


def first(searched: Searched, kind: str, recipe: str = "") -> Found:
    return next(
        found
        for found in searched.all()
        if found.resource["resourceType"] == kind and recipe_of(found) in (recipe, "" or recipe)
    )


def element(folder: Path, place: str, **more: Any) -> Element:
    (only,) = explain(Study(folder), place, **more).elements
    return only


def observation(folder: Path, code: str) -> str:
    """The reference of the first Observation with this code."""
    return next(
        f"Observation/{found.resource['id']}"
        for found in Searched(Study(folder)).all()
        if found.resource["resourceType"] == "Observation"
        and any(c["code"] == code for c in found.resource["code"]["coding"])
    )


def line_of(text: str, line: int | None) -> str:
    assert line
    return text.splitlines()[line - 1]


# --- a laboratory value, all the way back --------------------------------------------------------


def test_a_value_names_its_cell_and_the_line_of_the_recipe(folder: Path) -> None:
    found = element(folder, f"{observation(folder, '1988-5')}.valueQuantity.value")
    (source,) = found.sources
    assert found.origin == "the source"
    assert str(source.place) == "lab.csv:2"
    assert source.columns == ("result",)
    assert source.recipe == "laboratory"
    assert source.line
    line = line_of((folder / "study.yaml").read_text(encoding="utf-8"), source.line.line)
    assert line.strip().startswith("result: {to: value")
    assert (source.entity, source.field) == ("Measurement", "value")


def test_a_code_names_its_line_in_the_code_table(folder: Path) -> None:
    found = element(folder, f"{observation(folder, '1988-5')}.code.coding[0].code")
    assert {c for source in found.sources for c in source.columns} == {"test", "unit"}
    (code,) = found.codes
    table = (ROOT / str(code.place.file)).read_text(encoding="utf-8")
    cells = line_of(table, code.place.line).split(",")
    assert (cells[0], cells[3], code.term) == ("crp", "1988-5", "crp")


def test_a_local_code_names_the_line_that_explains_it(folder: Path) -> None:
    found = element(folder, f"{observation(folder, '1988-5')}.valueQuantity.unit")
    assert found.unit
    assert found.unit.ucum == "mg/L"
    (source,) = found.sources
    assert source.decoded
    text = (folder / "study.yaml").read_text(encoding="utf-8")
    assert "unit: {to: unit" in line_of(text, source.decoded.line)
    assert source.rule == "the source's own code becomes a term"


def test_the_mapping_function_is_named_to_the_line(folder: Path) -> None:
    found = element(folder, f"{observation(folder, '1988-5')}.valueQuantity.value")
    assert found.mapping
    text = (ROOT / "mappings" / "observation.py").read_text(encoding="utf-8")
    assert "valueQuantity" in line_of(text, found.mapping.line)


@pytest.mark.parametrize(
    ("kind", "recipe", "path", "module"),
    [
        ("Observation", "sequencing", "method.text", "mappings.diagnostic_report"),
        ("Observation", "withdrawal", "code.text", "mappings.research_subject"),
        ("Observation", "age", "meta.tag[0].code", "mappings.context"),
    ],
)
def test_resources_of_one_type_are_told_apart(
    reference: Path, kind: str, recipe: str, path: str, module: str
) -> None:
    searched = search(reference)
    (found,) = explained(searched, first(searched, kind, recipe), path).elements
    assert found.mapping
    assert found.mapping.module == module


@pytest.mark.parametrize(
    ("flavours", "function"), [((), "_seriousness"), (("ae-backport",), "_backport")]
)
def test_a_function_that_is_one_of_two_is_followed(flavours: Sequence[str], function: str) -> None:
    event = e.Event(key=("1",), subject=("01",), term="fever", onset="2024-03-01")
    to = load_default_context("TEST01", lambda *_: "s1", flavours=flavours)
    (resource,) = map_entity(event, to)
    calls = functions.called(lambda: map_entity(event, to), resource)
    found = functions.writer("seriousness.coding[0].code", calls)
    assert found
    assert (found.module, found.name) == ("mappings.adverse_event", function)


@pytest.mark.parametrize(
    ("release", "path", "line"),
    [("R4", "period.start", '"period": period('), ("R5", "actualPeriod.start", '"actualPeriod":')],
)
def test_the_line_is_that_of_the_release(
    reference: Path, release: str, path: str, line: str
) -> None:
    searched = search(reference, release)
    (found,) = explained(searched, first(searched, "Encounter", "stay"), path).elements
    assert found.mapping
    text = (ROOT / "mappings" / "encounter.py").read_text(encoding="utf-8")
    assert line in line_of(text, found.mapping.line)


def test_the_rule_of_fhir_is_named_with_cardinality_and_binding(folder: Path) -> None:
    found = element(folder, f"{observation(folder, '1988-5')}.status")
    rule = next(r for r in found.rules if r.profile.startswith("http://hl7.org"))
    assert (rule.element, rule.minimum, rule.maximum) == ("Observation.status", 1, "1")
    assert rule.strength == "required"
    assert rule.value_set
    assert rule.value_set.startswith("http://hl7.org/fhir/ValueSet/observation-status")


# --- what is in no cell --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("resourceType", "a constant of the mapping"),
        ("id", "keyed pseudonym of the key columns order, test"),
        ("subject.reference", "keyed pseudonym of the key columns id"),
        ("meta.tag[0].code", "the study's setting study"),
        ("identifier[0].system", "the study's setting identifier-base"),
        ("status", "the default of the entity"),
        ("performer[0].reference", "keyed pseudonym of the key"),
    ],
)
def test_what_no_cell_holds_says_what_it_is(folder: Path, path: str, origin: str) -> None:
    found = element(folder, f"{observation(folder, '1988-5')}.{path}")
    assert found.origin.startswith(origin)


def test_the_registration_is_a_source_like_any_other(reference: Path) -> None:
    searched = search(reference)
    (found,) = explained(searched, first(searched, "ResearchStudy"), "title").elements
    (source,) = found.sources
    assert str(source.place) == ("registry.json protocolSection.identificationModule.briefTitle")


def test_a_site_of_study_yaml_is_a_source_too(reference: Path) -> None:
    searched = search(reference)
    place = first(searched, "Location")
    (found,) = explained(searched, place, "address.city").elements
    lines = [source.line for source in found.sources if source.line]
    text = (reference / "study.yaml").read_text(encoding="utf-8")
    assert [line_of(text, line.line).strip() for line in lines] == ["city: Chongqing"]


def test_an_arm_without_a_registry_comes_from_the_recipe(folder: Path) -> None:
    study = first(Searched(Study(folder)), "ResearchStudy").resource["id"]
    found = element(folder, f"ResearchStudy/{study}.arm[1].name")
    (source,) = found.sources
    text = (folder / "study.yaml").read_text(encoding="utf-8")
    assert source.line
    assert line_of(text, source.line.line).strip().startswith("arm: {to: arm")


def test_a_question_comes_from_the_data_dictionary(reference: Path) -> None:
    searched = search(reference)
    (found,) = explained(searched, first(searched, "Questionnaire"), "item[0].text").elements
    (source,) = found.sources
    assert source.place
    dictionary = (reference / "data" / "dictionary.csv").read_text(encoding="utf-8")
    assert line_of(dictionary, source.place.line).startswith("sq_fever,")


# --- true whatever the mappings do ---------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
def test_every_element_has_an_origin_and_shows_no_cell(reference: Path, release: str) -> None:
    searched, seen = search(reference, release), set()
    for found in one_of_each(searched):
        kind = found.resource["resourceType"]
        if kind in seen or (found.own is None and kind not in ("ResearchStudy", "Medication")):
            continue
        seen.add(kind)
        for each in explained(searched, found).elements:
            assert each.origin, each.path
            assert each.mapping, each.path
            assert each.rules, each.path
            assert each.value is None
            assert not any(source.cells for source in each.sources)
    assert len(seen) >= 14


def test_what_a_changed_cell_changes_is_explained_by_that_cell(reference: Path) -> None:
    """Cells are really changed here, so an element that forgets its cell shows."""
    searched = search(reference)
    before = {
        f"{f.resource['resourceType']}/{f.resource['id']}": elements(f.resource)
        for f in searched.all()
    }
    checked = 0
    for found in list(one_of_each(searched)):
        if found.own is None:
            continue
        reference_ = f"{found.resource['resourceType']}/{found.resource['id']}"
        named = {
            e.path.partition(".")[2]: set(cells_of(e.sources))
            for e in explained(searched, found).elements
        }
        for place in sorted({cell for cells in named.values() for cell in cells}):
            after = with_other_cell(searched, *place).get(reference_)
            if after is None or after.keys() != before[reference_].keys():
                continue
            changed = {p for p, value in after.items() if before[reference_][p] != value}
            checked += len(changed)
            assert [p for p in changed if place not in named[p]] == [], place
    assert checked > 80


def cells_of(sources: tuple[Source, ...]) -> Iterator[tuple[str, int, str]]:
    for source in sources:
        if source.place and source.place.line:
            for column in source.columns:
                yield str(source.place.file), source.place.line, column


def with_other_cell(
    searched: Searched, file: str, line: int, column: str
) -> dict[str, dict[str, Any]]:
    """The resources of the study with one cell changed, by reference."""
    other = Searched(searched.study)
    tables = {}
    for name, table in searched.tables.items():
        rows = tuple(
            changed(row, column) if (table.file, row.line) == (file, line) else row
            for row in table.rows
        )
        tables[name] = dataclasses.replace(table, rows=rows)
    other.__dict__["tables"] = tables
    return {
        f"{f.resource['resourceType']}/{f.resource['id']}": elements(f.resource)
        for f in other.all()
    }


def changed(row: Row, column: str) -> Row:
    """The row with another value of the same kind: a digit more or less, the same length."""
    text = row.cells[column]
    last = max((at for at, letter in enumerate(text) if letter.isdigit()), default=None)
    if last is None:
        return row
    digit = str((int(text[last]) + 1) % 10)
    new = {**row.cells, column: f"{text[:last]}{digit}{text[last + 1 :]}"}
    return dataclasses.replace(row, cells=new)


# --- what may be shown ---------------------------------------------------------------------------


def test_with_source_the_cell_and_the_value_are_there(folder: Path) -> None:
    place = f"{observation(folder, '1988-5')}.valueQuantity.value"
    assert "12.50" not in json.dumps(element(folder, place).to_json(), default=str)
    found = element(folder, place, with_source=True).to_json()
    assert found["sources"][0]["cells"] == {"result": "12.50"}
    assert str(found["value"]) == "12.50"


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("something", "write Type/id.path"),
        ("Observation/nothing.status", "the study makes 3 of this type"),
        ("Observatin/nothing.status", "did you mean Observation?"),
        ("{id}.valueQuantiti.value", "did you mean valueQuantity.value"),
        ("{id}.zzz", "it has: resourceType, id, meta"),
    ],
)
def test_a_mistake_says_what_to_do(folder: Path, place: str, says: str) -> None:
    place = place.replace("{id}", observation(folder, "1988-5"))
    with pytest.raises(UsageError) as caught:
        explain(Study(folder), place)
    assert says in str(caught.value)


@pytest.mark.parametrize("path", ["value.value", "value.ofType(Quantity).value", "valueQuantity"])
def test_a_path_may_be_written_as_fhirpath_does(folder: Path, path: str) -> None:
    found = explain(Study(folder), f"{observation(folder, '1988-5')}.{path}")
    assert "Observation.valueQuantity.value" in [each.path for each in found.elements]


def test_a_resource_that_is_kept_back_says_why_and_which_line_is_wrong(folder: Path) -> None:
    study = folder / "study.yaml"
    text = study.read_text(encoding="utf-8")
    study.write_text(f"codes: {{measurement: own.csv}}\n{text}", encoding="utf-8")
    (folder / "own.csv").write_text(
        "term,label,system,code,display,unit,source,category\n"
        "crp,CRP,http://loinc.org,two  spaces,,mg/L,ours,laboratory\n",
        encoding="utf-8",
    )
    found = explain(Study(folder), f"{observation(folder, 'two  spaces')}.code.coding.code")
    assert [reason.partition(": ")[0] for reason in found.refused] == [
        "Observation.code.coding[0].code"
    ]
    (only,) = found.elements
    assert str(only.codes[0].place) == "own.csv:2:code"
