"""What a plan shows, and where it is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from adapter.cli.tables import plan_table
from adapter.outbox import Item
from tests.cli.process import study_fhir
from tests.cli.test_commands import replace
from tests.faults.server import ScriptedServer


@pytest.fixture
def planned(folder: Path) -> list[str]:
    """What plans say after a value has changed and a row of a full export has gone."""
    replace(folder, "study.yaml", "file: lab.csv", "file: lab.csv, export: full")
    with ScriptedServer() as server:
        at = ("--server", server.url)
        assert study_fhir("push", folder, *at).returncode == 0
        replace(folder, "lab.csv", "12.50", "13.50")
        replace(folder, "lab.csv", "a2,02,CRP,3,mg/L,2024-02-11 09:00\n", "")
        more: list[tuple[str, ...]] = [(), ("--with-values",), ("--format", "json"), ("--live",)]
        done = [study_fhir("plan", folder, *at, *each) for each in more]
    assert [each.returncode for each in done] == [0] * 4, done[0].stderr
    return [each.stdout for each in done]


def test_it_names_what_differs_and_what_has_vanished(planned: list[str]) -> None:
    text, valued, _, live = planned
    for shown in (text, live):
        assert "Observation.valueQuantity.value" in shown
        assert "vanished" in [line.split()[1] for line in shown.splitlines() if "Obs" in line]
        assert "13.5" not in shown
    assert "Observation.valueQuantity.value from 12.50 to 13.50" in valued


def test_for_a_program_it_is_one_line(planned: list[str]) -> None:
    [line] = planned[2].splitlines()
    found = json.loads(line)
    assert found["counts"]["update"] == found["counts"]["vanished"] == 1
    assert {item["action"] for item in found["items"]} == {"update", "vanished"}


@pytest.mark.parametrize("there_already", [False, True])
def test_only_its_owner_may_read_what_is_written(
    folder: Path, tmp_path: Path, there_already: bool
) -> None:
    out = tmp_path / "plan.json"
    if there_already:
        out.write_text("x" * 100_000)
        out.chmod(0o644)
    before = os.umask(0o022)
    try:
        done = study_fhir("plan", folder, "--server", "http://127.0.0.1:1/fhir", "--out", out)
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    assert json.loads(out.read_bytes())["counts"]["create"] == 12


def test_a_long_one_says_how_much_is_left_out() -> None:
    changes = tuple({"path": f"Observation.note[{n}]"} for n in range(9))
    table = plan_table([Item("update", f"Observation/{n}", changes=changes) for n in range(50)])
    console = Console(width=120)
    with console.capture() as shown:
        console.print(table)
    text = shown.get()
    assert "Observation/39" in text
    assert "Observation/40" not in text
    assert "... and 10 more" in text
    assert "see --out" in text
    assert "... and 4 more" in text


def test_check_and_status_answer_in_one_line(folder: Path) -> None:
    found = study_fhir("check", folder, "--format", "json")
    assert json.loads(found.stdout) == {"sources": 2, "columns": 12, "recipes": 2}
    status = study_fhir("status", folder, "--format", "json")
    assert len(status.stdout.splitlines()) == 1
    assert json.loads(status.stdout)["servers"] == []
