"""HL7's validator beside ours: a stand-in for Java, and what counts as the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from adapter.errors import UsageError
from adapter.validation import official
from adapter.validation.issues import Issue
from adapter.validation.official import Comparison, compare, ensure_installed, installation
from adapter.validation.output.comparison import write_json, write_text
from adapter.validation.reading import Document
from adapter.validation.run import Checked, Options

# what the driver does, seen from outside: an error for each file that says so
DRIVER = """
import json, pathlib, sys
for path in sorted(pathlib.Path(sys.argv[-1]).iterdir()):
    if "bad" in path.read_text():
        print(json.dumps({"file": str(path), "line": 1, "path": "Patient.gender", "message": "no"}))
print("Loading...")
print(json.dumps({"summary": True}))
"""


def checked(*paths: str) -> Checked:
    issues = [Issue("error", "invalid", path, "wrong") for path in paths]
    return Checked("x.json", 1, "Patient", "p", issues)


def theirs(*paths: str) -> list[Issue]:
    return [Issue("error", "processing", path, "wrong") for path in paths]


@pytest.mark.parametrize(
    ("ours", "official_path"),
    [
        ("Observation.value.ofType(Quantity).value", "Observation.value[x].value"),
        (
            "Bundle.entry[0].resource/*Patient/a*/.name",
            "Bundle.entry[0].resource/*Patient/a*/.name",
        ),
        ("Patient.name[0]", "Patient.name[0]"),
        ("Patient.gender", "/f:Patient/f:gender"),
        ("", "(xml)"),
    ],
)
def test_paths_that_are_the_same_place(ours: str, official_path: str) -> None:
    assert Comparison(checked(ours), theirs(official_path)).agrees


def test_a_difference_is_told_by_place() -> None:
    found = Comparison(checked("Patient.a", "Patient.b"), theirs("Patient.b", "Patient.c"))
    assert found.same_verdict
    assert not found.agrees
    assert [issue.path for issue in found.only_ours] == ["Patient.a"]
    assert [issue.path for issue in found.only_theirs] == ["Patient.c"]


def test_a_difference_is_written_for_people_and_programs() -> None:
    parts: list[str] = []
    found = Comparison(checked(), theirs("Patient.c"))
    write_text(found, parts.append)
    assert "".join(parts) == (
        "x.json:1 Patient/p: bad for HL7, good for us\n  only HL7: Patient.c: wrong\n"
    )
    parts.clear()
    write_json(found, parts.append)
    entry = json.loads("".join(parts))
    assert entry["sameVerdict"] is False
    assert entry["onlyOfficial"] == [{"path": "Patient.c", "message": "wrong", "messageId": None}]


def test_their_errors_find_their_resource(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)
    monkeypatch.setattr(
        official, "command", lambda _, arguments: [sys.executable, str(driver), *arguments]
    )
    documents = [
        Document("x", 1, b"good"),
        Document("x", 2, b"bad"),
        Document("y", 1, b"<bad/>", "xml"),
    ]
    found = list(compare(documents, [checked()] * 3, Options(), tmp_path))
    assert [len(each.theirs) for each in found] == [0, 1, 1]


def test_a_validator_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(official, "command", lambda *_: [sys.executable, "-c", "exit('no memory')"])
    with pytest.raises(UsageError, match="no memory"):
        list(compare([Document("x", 1, b"{}")], [checked()], Options(), tmp_path))


def test_without_java_the_message_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"java and javac and mvn and npm.*\n.*hint: .*Java 17"):
        ensure_installed(tmp_path / "official", lambda _: None)


def test_the_driver_is_carried_with_the_package() -> None:
    for name in installation.SOURCES:
        assert (installation.HERE / name).is_file()


def test_the_folder_is_the_users_cache_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert official.folder() == tmp_path / "study-fhir" / "official"
    monkeypatch.setenv("STUDY_FHIR_OFFICIAL", str(tmp_path / "here"))
    assert official.folder() == tmp_path / "here"
