"""The command line as a person or a nightly job uses it: what it prints and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from adapter.demo.server import EmbeddedServer
from tests.cli.process import study_fhir
from tests.conftest import STUDY_KEY


def replace(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def test_map_writes_ndjson_and_a_balanced_ledger(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = study_fhir("map", folder, "--out", out)
    assert done.returncode == 0, done.stderr
    ledger = json.loads((out / "ledger.json").read_text())
    lines = (out / "Observation.ndjson").read_text().splitlines()
    assert ledger["balanced"]
    assert ledger["resources"]["Observation"] == len(lines) == 3
    assert '"value":12.50' in lines[0] + lines[1] + lines[2]


def test_map_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert study_fhir("map", folder, "--out", tmp_path / name).returncode == 0
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_rejected_row_ends_with_1_and_its_place(folder: Path, tmp_path: Path) -> None:
    replace(folder, "lab.csv", "12.50", "CANARY-CELL")
    done = study_fhir("map", folder, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "lab.csv:2:result" in done.stdout
    assert "CANARY" not in done.stdout + done.stderr
    assert "CANARY" not in (tmp_path / "out" / "ledger.json").read_text()


def test_known_rejects_can_be_accepted(folder: Path, tmp_path: Path) -> None:
    replace(folder, "lab.csv", "12.50", "x")
    replace(folder, "study.yaml", "time-zone:", "rejects: {accept: 1}\ntime-zone:")
    assert study_fhir("map", folder, "--out", tmp_path / "out").returncode == 0


def test_no_name_reaches_any_output(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = study_fhir("map", folder, "--out", out)
    texts = [done.stdout, done.stderr, *(file.read_text() for file in out.iterdir())]
    assert not any("CANARY-NAME" in text for text in texts)
    assert STUDY_KEY.hex() not in "".join(texts)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("map", "nowhere", "--out", "x"), "no such study folder"),
        (("push", "{folder}", "--server", "hospital"), "no server 'hospital'"),
        (("push", "{folder}"), "--server"),
        (("fly",), "No such command"),
        (("push", "{folder}", "--server", "http://u:p@127.0.0.1/fhir"), "no base URL"),
        (("map", "{folder}", "--fhir", "R6", "--out", "x"), "'R6' is not one of"),
        (("registry", "nowhere.json"), "nowhere.json"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_hint(folder: Path, args: tuple[str, ...], says: str) -> None:
    done = study_fhir(*(arg.format(folder=folder) for arg in args))
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("study.yaml", "sex: {to: sex,", "sex: {to: sex", "not valid YAML"),
        ("study.yaml", "file: lab.csv", "file: lost.csv", "no such file"),
        ("people.csv", "id,name,arm", "id,name,group", "no column 'arm'"),
        (".study-fhir/study.key", STUDY_KEY.hex(), "short", "not a study key"),
    ],
)
def test_a_broken_study_ends_with_2_and_a_place(
    folder: Path, name: str, old: str, new: str, says: str
) -> None:
    replace(folder, name, old, new)
    done = study_fhir("map", folder, "--out", folder / "out")
    assert done.returncode == 2
    assert says in done.stderr
    assert Path(name).name.split(".")[0] in done.stderr or "lost.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_is_down_ends_with_4_and_keeps_everything(folder: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/fhir"
    done = study_fhir("push", folder, "--server", url, "--wait", 0)
    assert done.returncode == 4
    assert "nothing is lost" in done.stderr
    status = json.loads(study_fhir("status", folder).stdout)
    assert status["servers"][0]["resources"]["Observation"] == {"new": 3}
    assert status["runs"][0]["outcome"] == "UnavailableError"


def test_push_verify_and_push_again(folder: Path) -> None:
    with EmbeddedServer() as server:
        first = study_fhir("push", folder, "--server", server.url, "--format", "json")
        second = study_fhir("push", folder, "--server", server.url, "--format", "json")
        checked = study_fhir("verify", folder, "--server", server.url, "--format", "json")
        planned = study_fhir("plan", folder, "--server", server.url)
    assert first.returncode == second.returncode == checked.returncode == 0, first.stderr
    assert json.loads(first.stdout)["push"]["created"] == 12
    again = json.loads(second.stdout)["push"]
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 12)
    assert again["requests"] == 0
    assert "unchanged        12" in planned.stdout
    found = json.loads(checked.stdout)
    assert found == {"exit": 0, "checked": found["checked"], "missing": [], "different": [],
                     "dangling": [], "requeued": 0, "normalised": 0, "normalises": {}}  # fmt: skip
    assert found["checked"] >= 12


def test_exactly_the_plan_is_pushed_or_nothing(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    with EmbeddedServer() as server:
        to = ("--server", server.url)
        assert study_fhir("plan", folder, *to, "--out", file).returncode == 0
        replace(folder, "lab.csv", "12.50", "13.50")
        changed = study_fhir("push", folder, *to, "--plan", file)
        replace(folder, "lab.csv", "13.50", "12.50")
        same = study_fhir("push", folder, *to, "--plan", file)
        again = study_fhir("push", folder, *to, "--plan", file)
    assert (changed.returncode, same.returncode, again.returncode) == (2, 0, 2), same.stderr
    assert "plan again" in changed.stderr


def test_a_wrong_token_ends_with_5(folder: Path) -> None:
    from tests.servers.unauthorized import unauthorized

    with unauthorized() as url:
        done = study_fhir("push", folder, "--server", url)
    assert done.returncode == 5
    assert "does not let us in" in done.stderr


def test_another_key_is_refused_by_the_outbox(folder: Path) -> None:
    assert study_fhir("status", folder).returncode == 0
    key = folder / ".study-fhir" / "study.key"
    key.write_text(bytes(32).hex())
    done = study_fhir("status", folder)
    assert done.returncode == 2
    assert "another key" in done.stderr


def test_an_outbox_that_is_no_database_is_refused(folder: Path) -> None:
    (folder / ".study-fhir" / "outbox.sqlite").write_text("not a database, for certain" * 100)
    done = study_fhir("status", folder)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_with_its_own_code(folder: Path, number: int, code: int) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/fhir"
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", "from adapter.cli import main; main()", "push", str(folder),
             "--server", url],
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        silent.settimeout(60)
        connection, _ = silent.accept()  # the push is waiting for its answer now
        os.kill(process.pid, number)
        _, err = process.communicate(timeout=30)
        connection.close()
    assert process.returncode == code
    assert "Traceback" not in err


def test_help_names_every_command() -> None:
    text = study_fhir("--help").stdout
    for command in ("demo", "check", "map", "plan", "push", "verify", "status", "report", "serve"):
        assert f"  {command} " in text


def test_map_leaves_the_files_of_others_alone(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "Encounter.ndjson").write_text("{}\n")
    done = study_fhir("map", folder, "--out", out)
    assert (done.returncode, "did not write" in done.stderr) == (2, True)
    assert (out / "Encounter.ndjson").read_text() == "{}\n"
    (out / "Encounter.ndjson").unlink()
    assert study_fhir("map", folder, "--out", out).returncode == 0
    replace(folder, "lab.csv", (folder / "lab.csv").read_text().partition("\n")[2], "")
    assert study_fhir("map", folder, "--out", out).returncode == 0
    assert not (out / "Observation.ndjson").exists()  # stale, and ours


def test_a_plan_that_was_edited_is_not_pushed(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    with EmbeddedServer() as server:
        assert study_fhir("plan", folder, "--server", server.url, "--out", file).returncode == 0
        said = json.loads(file.read_text())
        said["items"] = said["items"][:1]
        file.write_text(json.dumps(said))
        done = study_fhir("push", folder, "--server", server.url, "--plan", file)
        assert (done.returncode, "was changed" in done.stderr) == (2, True)
        assert server.count("Patient") == 0


def test_a_base_url_without_fhir_gets_nothing(folder: Path) -> None:
    with EmbeddedServer() as server:
        wrong = server.url.replace("/fhir", "/fhirx/r4")
        replace(
            folder, "study.yaml", "sources:", f"servers: {{hospital: {{url: '{wrong}'}}}}\nsources:"
        )
        for words in (("push", folder), ("doctor", folder)):
            done = study_fhir(*words, "--server", "hospital")
            assert (done.returncode, "no FHIR server" in done.stderr) == (2, True), done.stderr
        replace(folder, "study.yaml", wrong, server.url)  # nothing was sent: it was a mistake
        done = study_fhir("push", folder, "--server", "hospital")
        assert done.returncode == 0, done.stderr


def test_a_lost_key_is_not_replaced_beside_an_outbox(folder: Path) -> None:
    with EmbeddedServer() as server:
        assert study_fhir("push", folder, "--server", server.url).returncode == 0
    key = folder / ".study-fhir" / "study.key"
    key.unlink()
    done = study_fhir("map", folder, "--out", folder / "out")
    assert (done.returncode, "restore it" in done.stderr) == (2, True)
    assert not key.exists()


def test_a_report_with_source_rows_is_for_its_owner_alone(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert study_fhir("report", folder, "--with-source", "--out", out).returncode == 0
    assert out.stat().st_mode & 0o777 == 0o600


def test_output_that_cannot_be_written_is_no_defect(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", "from adapter.cli import main; main()", "check", str(folder)],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=120,
        )  # fmt: skip
    assert "internal error" not in done.stderr
    assert (done.returncode, "the output cannot be written" in done.stderr) == (1, True)


def test_a_record_file_holds_one_record(folder: Path, tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.write_text("01\n02\n")
    done = study_fhir(
        "retract", folder, "--record-file", record, "--server", "http://127.0.0.1:9/fhir"
    )
    assert (done.returncode, "more than one line" in done.stderr) == (2, True)
