"""``study-fhir explain`` as a person and a program use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.process import study_fhir


@pytest.fixture
def place(folder: Path, tmp_path: Path) -> str:
    """The value of the first laboratory row."""
    assert study_fhir("map", folder, "--out", tmp_path / "out").returncode == 0
    lines = (tmp_path / "out" / "Observation.ndjson").read_text(encoding="utf-8").splitlines()
    held = next(json.loads(line) for line in lines if "12.50" in line)
    return f"Observation/{held['id']}.valueQuantity.value"


def test_a_person_reads_file_line_column_and_recipe(folder: Path, place: str) -> None:
    done = study_fhir("explain", folder, place)
    assert done.returncode == 0, done.stderr
    assert "lab.csv:2 column result" in done.stdout
    assert "recipes.laboratory.fields.result" in done.stdout
    assert "mappings.observation:" in done.stdout
    assert "12.5" not in done.stdout


def test_a_program_reads_one_object(folder: Path, place: str) -> None:
    done = study_fhir("explain", folder, place, "--format", "json", "--with-source")
    (element,) = json.loads(done.stdout)["elements"]
    assert element["sources"][0]["line"] == 2
    assert element["sources"][0]["cells"] == {"result": "12.50"}
    assert element["rules"][-1]["element"] == "Quantity.value"


def test_a_wrong_path_ends_with_2_and_names_the_nearest(folder: Path, place: str) -> None:
    done = study_fhir("explain", folder, place.replace("valueQuantity", "valueQantity"))
    assert done.returncode == 2
    assert "did you mean valueQuantity.value" in done.stderr
