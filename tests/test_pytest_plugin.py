"""The plugin in the hands of somebody who tests a mapping."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

HEAD = """
import pytest

GOOD = {"resourceType": "Patient", "id": "p1", "gender": "male"}
BAD = {**GOOD, "gender": "man", "birthDate": "yesterday"}
"""


@pytest.fixture
def mapping(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project that uses nothing but this plugin."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\naddopts = -p adapter.pytest_plugin --strict-markers\n")
    return pytester


def run(project: pytest.Pytester, test: str) -> pytest.RunResult:
    project.makepyfile(HEAD + test)
    return project.runpytest_inprocess()


def test_three_lines_are_a_test(mapping: pytest.Pytester) -> None:
    found = run(mapping, "def test_patient(assert_valid):\n    assert_valid(GOOD)\n")
    found.assert_outcomes(passed=1)


def test_a_failure_lists_every_error_with_its_path(mapping: pytest.Pytester) -> None:
    found = run(mapping, "def test_patient(assert_valid):\n    assert_valid(BAD)\n")
    found.assert_outcomes(failed=1)
    text = found.stdout.str()
    assert "Patient/p1 is not valid R4: " in text
    assert "Patient.gender: " in text
    assert "Patient.birthDate: " in text
    assert "pytest_plugin.py" not in text  # the test's own line is what matters


def test_the_function_works_without_fixture(mapping: pytest.Pytester) -> None:
    found = run(
        mapping,
        """
import json
from adapter.pytest_plugin import assert_valid

def test_dict():
    assert_valid(GOOD)

def test_text():
    assert_valid(json.dumps(GOOD))

def test_broken_text():
    with pytest.raises(AssertionError, match="Error parsing JSON"):
        assert_valid("{")
""",
    )
    found.assert_outcomes(passed=3)


def test_release_from_configuration_and_marker(mapping: pytest.Pytester) -> None:
    with (mapping.path / "tox.ini").open("a") as file:
        file.write("\nfhir_release = R4B\n")
    found = run(
        mapping,
        """
def test_configured(fhir_validator):
    assert fhir_validator.release == "R4B"

@pytest.mark.fhir_release("R5")
def test_marked(fhir_validator):
    assert fhir_validator.release == "R5"

def test_made_once(fhir_validator, request):
    assert fhir_validator.release == "R4B"
""",
    )
    found.assert_outcomes(passed=3)


PROFILE = {
    "resourceType": "StructureDefinition",
    "url": "https://example.org/StructureDefinition/born",
    "name": "Born",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {
        "element": [{"id": "Patient.birthDate", "path": "Patient.birthDate", "min": 1}]
    },
}


def package(project: Path) -> None:
    (project / "profiles").mkdir()
    (project / "profiles" / "born.json").write_text(json.dumps(PROFILE))


def test_a_profile_of_a_marked_package(mapping: pytest.Pytester) -> None:
    package(mapping.path)
    found = run(
        mapping,
        """
BORN = "https://example.org/StructureDefinition/born"

@pytest.mark.fhir_package("profiles")
def test_marked(assert_valid):
    assert_valid({**GOOD, "birthDate": "2020-01-01"}, profile=BORN)
    with pytest.raises(AssertionError, match="birthDate"):
        assert_valid(GOOD, profile=[BORN])
""",
    )
    found.assert_outcomes(passed=1)


def test_a_profile_of_a_configured_package(mapping: pytest.Pytester) -> None:
    package(mapping.path)
    with (mapping.path / "tox.ini").open("a") as file:
        file.write("\nfhir_package =\n    profiles\n")
    found = run(
        mapping,
        """
def test_configured(assert_valid):
    with pytest.raises(AssertionError, match="birthDate"):
        assert_valid(GOOD, profile="https://example.org/StructureDefinition/born")
""",
    )
    found.assert_outcomes(passed=1)
