"""What a run writes: for people, for code hosts, for build servers, for FHIR."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from adapter.validation.issues import Issue
from adapter.validation.output import FORMATS, writer
from adapter.validation.output.outcome import outcome
from adapter.validation.output.sarif import uri
from adapter.validation.run import Checked

HOSTILE = "\x1b[31m<b>&\"']]>\u202e\x00 \ufffe 中文"


def issue(severity: str, message: str = "it is wrong", **more: Any) -> Issue:
    return Issue(severity, "invalid", "Patient.name[0]", message, **more)


GOOD = Checked("a b/good.json", 1, "Patient", "p1", [])
BAD = Checked(
    "a b/bad.ndjson",
    7,
    "Patient",
    "p2",
    [
        issue("error", HOSTILE, messageId="Rule_1", file="a b/bad.ndjson", line=7),
        issue("warning", constraint="dom-6", file="a b/bad.ndjson", line=7),
        issue("information", file="a b/bad.ndjson", line=7),
    ],
)
UNREADABLE = Checked(
    "c.json", 1, None, None, [Issue("fatal", "structure", "", "no JSON", file="c.json", line=3)]
)


def written(form: str, *verdicts: Checked, colour: bool = False) -> str:
    parts: list[str] = []
    out = writer(form, parts.append, colour=colour)
    for verdict in verdicts:
        out.add(verdict)
    out.close()
    return "".join(parts)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_takes_a_run_without_issues(form: str) -> None:
    text = written(form, GOOD)
    assert "error" not in text.replace('errors="0"', "")


def test_text_groups_by_file_and_disarms_control_characters() -> None:
    text = written("text", GOOD, BAD, BAD, UNREADABLE)
    assert text.count("a b/bad.ndjson") == 1
    assert "good.json" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "     7  error       Patient.name[0]: \\x1b[31m" in text
    assert "[dom-6]" in text
    assert "     3  fatal       no JSON" in text


def test_text_is_coloured_on_a_terminal_only() -> None:
    assert "\x1b[31merror" in written("text", BAD, colour=True)


def test_json_has_the_keys_of_the_interface() -> None:
    lines = [json.loads(line) for line in written("json", BAD).splitlines()]
    assert list(lines[0]) == [
        "file", "line", "resourceType", "id", "severity", "code", "path", "message",
        "messageId", "profile", "constraint",
    ]  # fmt: skip
    assert lines[0]["message"] == HOSTILE


def test_sarif_has_what_the_standard_requires() -> None:
    log = json.loads(written("sarif", GOOD, BAD, UNREADABLE))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["Rule_1", "dom-6", "invalid", "structure"]
    assert [each["level"] for each in run["results"]] == ["error", "warning", "note", "error"]
    for result in run["results"]:
        assert result["message"]["text"]
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["region"]["startLine"] in (3, 7)
        assert place["artifactLocation"]["uri"] in ("a%20b/bad.ndjson", "c.json")


def test_sarif_names_files_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert uri(str(tmp_path / "x" / "ä.json")) == "x/%C3%A4.json"
    assert uri("/elsewhere/y.json") == "file:///elsewhere/y.json"


def test_junit_counts_and_parses() -> None:
    root = ElementTree.fromstring(written("junit", GOOD, BAD, BAD, UNREADABLE))  # noqa: S314
    counts = [(s.get("name"), s.get("tests"), s.get("failures")) for s in root]
    assert counts == [
        ("a b/good.json", "1", "0"),
        ("a b/bad.ndjson", "2", "2"),
        ("c.json", "1", "1"),
    ]
    case = root[1][0]
    assert case.get("name") == "Patient/p2 (line 7)"
    assert [child.tag for child in case] == ["failure", "system-out"]
    assert case[0].get("type") == "Rule_1"


def test_junit_of_a_long_file_is_whole() -> None:
    text = written("junit", *[BAD] * 5_000)
    assert len(ElementTree.fromstring(text)[0]) == 5_000  # noqa: S314


def test_operation_outcome_names_element_rule_and_place() -> None:
    found = json.loads(written("outcome", BAD))
    first = found["issue"][0]
    assert first["severity"] == "error"
    assert first["details"]["coding"][0]["code"] == "Rule_1"
    assert first["details"]["text"] == HOSTILE
    assert first["expression"] == ["Patient.name[0]"]
    assert first["diagnostics"] == "a b/bad.ndjson:7"


def test_operation_outcome_without_issues_says_so() -> None:
    found = json.loads(written("outcome", GOOD))
    assert found == outcome([])
    assert [each["severity"] for each in found["issue"]] == ["information"]
