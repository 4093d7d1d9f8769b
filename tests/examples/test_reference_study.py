"""The reference study: made by its script, faulty exactly where it says so, and mapped whole."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from adapter.demo.run import TYPES, expected_rejects
from adapter.locate import shipped
from adapter.mapping import MapResult, map_study
from adapter.report import render
from adapter.service.mapping import write_map
from adapter.study import Study

REFERENCE = shipped("examples") / "nct05862675"
KEY = bytes(range(32))


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> MapResult:
    folder = tmp_path_factory.mktemp("reference") / "study"
    shutil.copytree(REFERENCE, folder, ignore=shutil.ignore_patterns(".study-fhir", "*.py"))
    (folder / ".study-fhir").mkdir()
    key = folder / ".study-fhir" / "study.key"
    key.write_text(KEY.hex())
    key.chmod(0o600)
    return map_study(Study(folder))


def rows(name: str) -> list[dict[str, str]]:
    with (REFERENCE / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def identifiers() -> set[str]:
    """Every invented name, phone and number that must appear nowhere."""
    wanted = ("child_name", "national_id", "guardian_phone", "guardian_name", "hosp_no", "sq_note")
    return {row[name] for row in rows("data/forms.csv") for name in wanted if row[name]}


@pytest.mark.skipif(not (REFERENCE / "make_cohort.py").exists(), reason="only in a checkout")
def test_the_script_makes_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run(  # noqa: S603
        [sys.executable, "-B", REFERENCE / "make_cohort.py", "--out", tmp_path], check=True
    )
    made = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    assert len(made) == 5
    for name in made:
        assert (tmp_path / name).read_bytes() == (REFERENCE / name).read_bytes(), name


def test_exactly_the_faulty_rows_are_rejected(mapped: MapResult) -> None:
    found = {(r.file, r.line, r.column, r.rule, r.effect) for r in mapped.rejects}
    assert found == expected_rejects(REFERENCE)
    assert len(found) >= 25


def test_every_cell_has_an_outcome(mapped: MapResult) -> None:
    for sums in mapped.ledger["sources"].values():
        outcomes = ("empty", "mapped", "defaulted", "merged", "omitted", "rejected")
        assert sums["cells"] == sum(sums[name] for name in outcomes)
    merged = sum(sums["merged"] for sums in mapped.ledger["sources"].values())
    assert 0 < merged < 12  # the one row that stands there twice


def test_three_hundred_children_in_three_groups_become_every_type(mapped: MapResult) -> None:
    arms = Counter(
        m.resource["actualArm"]
        for m in mapped.resources
        if m.resource["resourceType"] == "ResearchSubject"
    )
    assert arms == {"experimental group": 110, "control group1": 90, "control group2": 100}
    assert sum(mapped.counts.values()) >= 15_000
    assert set(TYPES) <= mapped.counts.keys()
    assert mapped.dropped == []


def test_withdrawn_children_stay_with_the_day(mapped: MapResult) -> None:
    withdrawn = [
        m.resource
        for m in mapped.resources
        if m.resource.get("status") == "withdrawn"
        and m.resource["resourceType"] == "ResearchSubject"
    ]
    assert len(withdrawn) == 6
    assert all(subject["period"]["end"] for subject in withdrawn)


def test_no_identifier_reaches_any_output(mapped: MapResult, tmp_path: Path) -> None:
    files = write_map(mapped, tmp_path)
    texts = [file.read_text(encoding="utf-8") for file in files]
    texts.append(render("NCT05862675", mapped.ledger, mapped.resources))
    names = identifiers()
    assert len(names) > 1000
    # most of what stands between quotes stands there often, and no name holds a quote
    whole = "\n".join({part for text in texts for part in text.split('"')})
    assert not any('"' in name for name in names)
    assert [name for name in names if name in whole] == []


def test_every_reference_has_its_target(mapped: MapResult) -> None:
    from adapter.fhir.order import is_literal, references

    held = {m.reference for m in mapped.resources}
    used = {r for m in mapped.resources for r in references(m.resource) if is_literal(r)}
    assert used <= held


def test_the_order_of_rows_does_not_matter(mapped: MapResult, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(mapped.study.folder, folder)
    for name in ("forms.csv", "laboratory.csv"):
        file = folder / "data" / name
        head, *lines = file.read_text(encoding="utf-8").splitlines()
        file.write_text("\n".join([head, *reversed(lines)]) + "\n", encoding="utf-8")
    turned = Study(folder)
    turned.passed |= {m.digest for m in mapped.resources}  # what is new goes through the gate
    again = map_study(turned)
    assert {m.reference: m.resource for m in again.resources} == {
        m.reference: m.resource for m in mapped.resources
    }


def test_the_posted_status_and_the_present_one_are_both_kept(mapped: MapResult) -> None:
    study = next(
        m.resource for m in mapped.resources if m.resource["resourceType"] == "ResearchStudy"
    )
    text = json.dumps(study, default=str)
    assert study["status"] == "active"
    assert "NOT_YET_RECRUITING" in text
    assert "RECRUITING" in text


def test_a_sick_child_s_oxygen_need_falls(mapped: MapResult) -> None:
    courses: dict[str, list[tuple[str, float]]] = {}
    for each in mapped.resources:
        if each.resource["resourceType"] != "Observation":
            continue
        codings = each.resource["code"]["coding"]
        if any(c["code"] == "3150-0" for c in codings) and "valueQuantity" in each.resource:
            value = float(each.resource["valueQuantity"]["value"])
            courses.setdefault(each.subject, []).append((each.resource["effectiveDateTime"], value))
    assert len(courses) > 100
    for course in courses.values():
        values = [value for _, value in sorted(course)]
        assert values == sorted(values, reverse=True)


def test_it_shows_what_a_study_may_hold(mapped: MapResult) -> None:
    """Settings of a ventilator with their support, what was not measured, ranges by age, files."""
    every = [m.resource for m in mapped.resources]
    found = [each for each in every if each["resourceType"] == "Observation"]
    parts = [each for each in found if "partOf" in each]
    assert len(parts) > 1000
    assert all(each["partOf"][0]["reference"].startswith("Procedure/") for each in parts)
    reasons = {r["dataAbsentReason"]["coding"][0]["code"] for r in found if "dataAbsentReason" in r}
    assert reasons == {"not-performed"}
    assert any("age" in each.get("referenceRange", [{}])[0] for each in found)
    assert any(each["resourceType"] == "DocumentReference" for each in every)
