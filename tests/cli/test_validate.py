"""``study-fhir validate`` as a person or a build server uses it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

MAIN = "from adapter.cli import main; main()"
GOOD = {
    "resourceType": "Patient",
    "id": "good",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    "gender": "male",
}
BAD = {**GOOD, "id": "bad", "gender": "man"}


def validate(*args: object, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", MAIN, "validate", *map(str, args)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a good file, a bad one on two lines, and NDJSON with both."""
    (tmp_path / "good.json").write_text(json.dumps(GOOD, indent=1))
    (tmp_path / "bad.json").write_text(json.dumps(BAD).replace('"gender"', '\n"gender"'))
    (tmp_path / "both.ndjson").write_text(f"{json.dumps(GOOD)}\n{json.dumps(BAD)}\n")
    return tmp_path


def errors(done: subprocess.CompletedProcess[str]) -> list[tuple[str, int, str]]:
    found = map(json.loads, done.stdout.splitlines())
    return [(Path(i["file"]).name, i["line"], i["path"]) for i in found if i["severity"] == "error"]


def test_a_good_file_ends_with_0_and_says_how_many(files: Path) -> None:
    done = validate(files / "good.json")
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 resources: 0 with errors" in done.stderr


def test_a_bad_file_ends_with_1_and_its_line(files: Path) -> None:
    done = validate(files / "bad.json", "--format", "json")
    assert done.returncode == 1
    assert ("bad.json", 2, "Patient.gender") in errors(done)


def test_a_folder_in_order_whatever_the_number_of_processes(files: Path) -> None:
    one = validate(files, "--format", "json", "--jobs", 1)
    two = validate(files, "--format", "json", "--jobs", 2)
    assert one.returncode == two.returncode == 1
    assert one.stdout == two.stdout
    places = dict.fromkeys((file, line) for file, line, _ in errors(one))
    assert list(places) == [("bad.json", 2), ("both.ndjson", 2)]


def test_standard_input(files: Path) -> None:
    done = validate("-", "--quiet", text=(files / "both.ndjson").read_text())
    assert done.returncode == 1
    assert "<stdin>" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("form", ["sarif", "outcome"])
def test_formats_for_programs_are_whole_json(files: Path, form: str) -> None:
    done = validate(files, "--format", form)
    assert done.returncode == 1
    assert json.loads(done.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing.json"],
        ["."],
        ["-", "--refs"],
        ["-", "--format", "csv"],
        ["-", "--fhir", "R3"],
        ["-", "--package", "nothing"],
        ["-", "--profile", "https://example.org/StructureDefinition/unknown"],
        [],
    ],
    ids=" ".join,
)
def test_what_is_impossible_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.chdir(tmp_path)
    done = validate(*arguments, text=json.dumps(GOOD))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_without_java_official_ends_with_2(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(files))
    monkeypatch.setenv("STUDY_FHIR_OFFICIAL", str(files / "official"))
    done = validate(files / "good.json", "--official")
    assert done.returncode == 2
    assert "Java 17" in done.stderr


def test_references_within_the_files(files: Path) -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/nobody"},
    }
    (files / "observation.json").write_text(json.dumps(observation))
    path = "Observation.subject"
    with_refs = validate(files, "--refs", "--format", "json")
    without = validate(files, "--format", "json")
    assert any(place.startswith(path) for _, _, place in errors(with_refs))
    assert not any(place.startswith(path) for _, _, place in errors(without))


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_only_what_changed(files: Path) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(files)]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)  # noqa: S603
    done = validate(files, "--changed-since", "HEAD")
    assert (done.returncode, done.stderr) == (0, "nothing changed\n")
    (files / "good.json").write_text(json.dumps({**GOOD, "id": "changed"}))
    done = validate(files, "--changed-since", "HEAD")
    assert (done.returncode, done.stdout) == (0, "")


def many(folder: Path) -> Path:
    path = folder / "many.ndjson"
    path.write_text(f"{json.dumps(BAD)}\n" * 20_000)
    return path


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", MAIN, "validate", str(many(tmp_path)), "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 0
    process.stderr.close()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_stops_all_processes(tmp_path: Path, number: int, code: int) -> None:
    command = [sys.executable, "-c", MAIN, "validate", str(many(tmp_path)), "--format", "json"]
    with subprocess.Popen(  # noqa: S603
        [*command, "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it is at work
        os.killpg(process.pid, number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"Traceback" not in said
    assert ends(process.pid)


def ends(group: int) -> bool:
    """True when no process of the group is left, soon."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False
