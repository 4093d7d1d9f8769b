"""The report: nothing hostile runs in it, nothing of the source shows unless asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapter.mapping import MapResult, map_study
from adapter.report import render
from adapter.study import Study


@pytest.fixture
def mapped(folder: Path) -> MapResult:
    lab = folder / "lab.csv"
    lab.write_text(lab.read_text().replace("12.50", "CANARY-CELL"))
    return map_study(Study(folder))


def page(mapped: MapResult, *, with_source: bool = False) -> str:
    tables = mapped.tables if with_source else None
    return render("TEST01", mapped.ledger, mapped.resources, tables=tables)


def test_it_shows_counts_rejects_and_a_timeline_for_each_subject(mapped: MapResult) -> None:
    text = page(mapped)
    assert "lab.csv:2:result" in text
    assert "not-a-number" in text
    assert text.count('<svg class="timeline"') == 2
    assert "Pseudonymised health data" in text


def test_no_source_cell_shows_unless_asked_for(mapped: MapResult) -> None:
    assert "CANARY" not in page(mapped)
    assert "Personal data." not in page(mapped)
    asked = page(mapped, with_source=True)
    assert "CANARY-NAME-7f3a" in asked
    assert asked.index("Personal data.") < asked.index("<h1>")


def test_nothing_comes_from_outside_and_no_script_runs(mapped: MapResult) -> None:
    text = page(mapped)
    assert "<script" not in text
    assert "<link" not in text
    assert "<img" not in text
    assert not re.search(r'(src|href)="(?!#)', text)
    assert "@import" not in text
    assert "url(" not in text


def test_hostile_text_stays_text(mapped: MapResult) -> None:
    for each in mapped.resources:
        if each.resource["resourceType"] == "ResearchSubject":
            each.resource["actualArm"] = '<img src=x onerror="alert(1)">'
    text = page(mapped)
    assert "<img" not in text
    assert "&lt;img src=x" in text


def test_the_same_study_gives_the_same_bytes(mapped: MapResult) -> None:
    assert page(mapped) == page(mapped)


def test_one_subject_a_group_has_its_fhir_at_hand(mapped: MapResult) -> None:
    text = page(mapped)
    shown = re.findall(r'<details class="json"><summary><code>ResearchSubject/(\w+)', text)
    assert len(shown) == 2
