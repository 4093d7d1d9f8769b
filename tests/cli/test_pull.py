"""``study-fhir pull`` as a nightly job uses it: what it prints, writes and ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.process import study_fhir
from tests.pull.ehr import Ehr, Reply, observation, outcome, patient

MRN = "MRN-CANARY-0815"
PULL = """\
pull:
  patients: cohort.csv
  types: [Patient, Observation]
"""


@pytest.fixture
def study(folder: Path) -> Path:
    """A study that pulls one child, known by an identifier."""
    file = folder / "study.yaml"
    file.write_text(file.read_text("utf-8") + PULL, encoding="utf-8")
    (folder / "cohort.csv").write_text(f"system,value\nurn:mrn,{MRN}\n", encoding="utf-8")
    return folder


def ehr() -> Ehr:
    child = patient("CANARY-p1", identifier=[{"system": "urn:mrn", "value": MRN}])
    return Ehr(child, observation("CANARY-o1", "CANARY-p1"))


def test_pull_writes_files_and_says_that_they_are_personal_data(study: Path) -> None:
    out = study / "ehr"
    with ehr() as server:
        done = study_fhir("pull", study, "--server", server.url, "--out", out)
        assert done.returncode == 0, done.stderr
        assert "personal data" in done.stderr
        assert "Observation" in done.stdout
        again = study_fhir("pull", study, "--server", server.url, "--out", out, "--format", "json")
    shown = json.loads(again.stdout)
    assert shown["types"]["Observation"]["open"] == 0
    assert shown["types"]["Patient"]["duplicates"] == 1
    assert "CANARY" not in done.stdout + done.stderr + again.stdout + again.stderr
    assert json.loads((out / "Observation.ndjson").read_text())["id"] == "CANARY-o1"


@pytest.mark.parametrize(
    ("reply", "code", "says"),
    [
        (Reply(503), 4, "what was read is kept"),
        (Reply(401), 5, "does not let us in"),
        (Reply(400, outcome("invalid")), 1, ""),
    ],
)
def test_pull_ends_with_the_code_that_the_documentation_says(
    study: Path, reply: Reply, code: int, says: str
) -> None:
    with ehr() as server:
        server.on("Observation", reply, always=True)
        done = study_fhir(
            "pull", study, "--server", server.url, "--out", study / "ehr", "--wait", 0
        )
    assert done.returncode == code
    assert says in done.stderr
    assert "CANARY" not in done.stdout + done.stderr
    assert (study / "ehr" / "Patient.ndjson").read_text()  # what was read is written all the same


def test_a_study_that_pulls_nothing_says_so(folder: Path) -> None:
    with ehr() as server:
        done = study_fhir("pull", folder, "--server", server.url, "--out", folder / "ehr")
        assert server.asked == []
    assert done.returncode == 2
    assert "does not say what to pull" in done.stderr
