"""What a server refused, on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.process import study_fhir
from tests.faults.quirks import Quirks
from tests.faults.server import ScriptedServer


@pytest.fixture
def refusing(folder: Path) -> Iterator[str]:
    """The URL of a server that took the small study but for its Observations."""
    with ScriptedServer(quirks=Quirks(refused={"Observation": 422})) as server:
        assert study_fhir("push", folder, "--server", server.url).returncode == 3
        yield server.url


def letters(folder: Path, url: str, *more: str) -> list[str]:
    """Each dead letter as ``show`` prints it."""
    listed = study_fhir("dead-letters", "list", folder, "--server", url, "--format", "json")
    assert listed.returncode == 3, listed.stderr
    shown = []
    for line in listed.stdout.splitlines():
        reference = json.loads(line)["reference"]
        done = study_fhir("dead-letters", "show", folder, reference, "--server", url, *more)
        assert done.returncode == 0, done.stderr
        shown.append(done.stdout)
    return shown


def test_one_with_a_decimal_shows_all_its_digits(folder: Path, refusing: str) -> None:
    shown = letters(folder, refusing, "--with-values")
    assert len(shown) == 3
    assert any('"value": 12.50,' in text for text in shown)


def test_each_answer_is_one_line_for_a_program(folder: Path, refusing: str) -> None:
    first, *_ = letters(folder, refusing, "--format", "json")
    reference = json.loads(first)["reference"]
    asked = ("--server", refusing, "--format", "json")
    retried = study_fhir("dead-letters", "retry", folder, reference, *asked)
    assert json.loads(retried.stdout) == {"retried": 1}
    other = json.loads(letters(folder, refusing, "--format", "json")[0])["reference"]
    dropped = study_fhir("dead-letters", "drop", folder, other, "--reason", "why", *asked)
    assert json.loads(dropped.stdout) == {"dropped": other}


def test_a_server_that_does_not_know_our_profiles_is_told_of(folder: Path) -> None:
    issue = {"severity": "error", "code": "processing", "diagnostics": "Unknown profile CANARY"}
    quirks = Quirks(refused={"Observation": 422}, said={"issue": [issue]})
    with ScriptedServer(quirks=quirks) as server:
        pushed = study_fhir("push", folder, "--server", server.url)
        first, *_ = letters(folder, server.url, "--format", "json")
        valued, *_ = letters(folder, server.url, "--with-values")
    assert f"study-fhir profiles push --study STUDY --server {server.url}" in pushed.stderr
    assert "`meta-profile: omit`" in pushed.stderr
    assert "profiles push" in json.loads(first)["hint"]
    assert "CANARY" not in pushed.stdout + pushed.stderr + first
    assert json.loads(valued)["outcome"]["issues"] == [issue]
