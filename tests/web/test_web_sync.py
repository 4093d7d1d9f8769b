"""The life of a run: accepted, running, ended; one at a time for each study."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from web_fakes import STUDY, TOKEN, FakePush, ended

from adapter.errors import RefusedError, UnavailableError
from adapter.web import create_app
from adapter.web.runs import Runs

SYNC = f"/studies/{STUDY}/sync"
CANARY = "CANARY-NAME-7f3a"


def test_run_from_start_to_end(client: FlaskClient, push: FakePush, study: Path) -> None:
    started = client.post(SYNC, json={"server": "hospital"})
    assert started.status_code == 202
    address = started.headers["Content-Location"]
    assert address.startswith("/runs/")

    running = client.get(address)
    assert running.status_code == 202
    assert running.headers["X-Progress"].startswith("running")
    assert running.get_json()["state"] == "running"

    push.go.set()
    run = ended(client, address)
    assert run == {
        "id": address.removeprefix("/runs/"),
        "study": STUDY,
        "server": "hospital",
        "state": "done",
        "exit": 0,
        "rejected": 0,
        "resources": {"Patient": 2},
    }
    assert push.calls == [(study, "hospital")]


@pytest.mark.parametrize("options", [{}, {"json": {}}, {"data": b"", "content_type": "text/plain"}])
def test_the_only_server_needs_no_name(
    client: FlaskClient, push: FakePush, options: dict[str, Any]
) -> None:
    push.go.set()
    ended(client, client.post(SYNC, **options).headers["Content-Location"])
    assert [server for _, server in push.calls] == ["hospital"]


@pytest.mark.parametrize("name", ["server", "url", "base", "base_url", "target"])
@pytest.mark.parametrize(
    "value", ["archive", "http://169.254.169.254/latest", "file:///etc/passwd"]
)
def test_what_stands_in_the_address_chooses_no_server(
    client: FlaskClient, push: FakePush, study: Path, name: str, value: str
) -> None:
    push.go.set()
    asked = {"query_string": {name: value}, "headers": {"X-Server": value, "Host": "evil.test"}}
    ended(client, client.post(SYNC, **asked).headers["Content-Location"])
    assert push.calls == [(study, "hospital")]
    with (study / "study.yaml").open("a", encoding="utf-8") as file:
        file.write("  archive: {url: 'http://127.0.0.1:9/fhir'}\n")
    assert client.post(SYNC, **asked).status_code == 400  # one must be named, in the body
    assert len(push.calls) == 1


def test_one_of_several_servers_must_be_named(client: FlaskClient, study: Path) -> None:
    with (study / "study.yaml").open("a", encoding="utf-8") as file:
        file.write("  archive: {url: 'http://127.0.0.1:9/fhir'}\n")
    answer = client.post(SYNC)
    assert answer.status_code == 400
    assert "archive, hospital" in answer.get_json()["issue"][0]["diagnostics"]


def test_a_second_run_waits_for_the_first(client: FlaskClient, push: FakePush) -> None:
    first = client.post(SYNC).headers["Content-Location"]
    second = client.post(SYNC)
    assert second.status_code == 409
    assert int(second.headers["Retry-After"]) > 0
    assert second.get_json()["issue"][0]["code"] == "lock-error"
    push.go.set()
    ended(client, first)
    assert client.post(SYNC).status_code == 202


def test_many_at_once_start_one(app: Flask, push: FakePush) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}

    def start(_: int) -> int:
        return app.test_client().post(SYNC, headers=headers).status_code

    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(start, range(100)))
    push.go.set()
    assert codes.count(202) == 1
    assert codes.count(409) == 99


def test_studies_do_not_wait_for_each_other(study: Path, push: FakePush) -> None:
    app = create_app({STUDY: study, "TEST02": study}, TOKEN, sync=push)
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    assert client.post(SYNC).status_code == 202
    assert client.post("/studies/TEST02/sync").status_code == 202
    push.go.set()


@pytest.mark.parametrize(
    ("error", "exit_code", "issue"),
    [
        (UnavailableError("the server is away", hint="push again"), 4, "transient"),
        (RefusedError("the server refuses this"), 3, "processing"),
    ],
)
def test_an_error_ends_the_run(
    client: FlaskClient, push: FakePush, error: Exception, exit_code: int, issue: str
) -> None:
    push.error = error
    push.go.set()
    run = ended(client, client.post(SYNC).headers["Content-Location"])
    assert (run["state"], run["exit"]) == ("failed", exit_code)
    assert run["outcome"]["resourceType"] == "OperationOutcome"
    assert run["outcome"]["id"] == run["id"]
    assert run["outcome"]["issue"][0]["code"] == issue


def test_a_defect_ends_the_run_without_its_text(
    client: FlaskClient, push: FakePush, caplog: pytest.LogCaptureFixture
) -> None:
    push.error = ValueError(CANARY)
    push.go.set()
    with caplog.at_level(logging.DEBUG):
        run = ended(client, client.post(SYNC).headers["Content-Location"])
    assert (run["state"], run["exit"]) == ("failed", 2)
    assert run["outcome"]["issue"][0]["code"] == "exception"
    assert "ValueError" in caplog.text
    assert CANARY not in caplog.text + str(run)


def test_old_runs_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.web.runs.REMEMBERED", 2)
    runs = Runs(lambda _folder, _server: {})
    ids = []
    for _ in range(4):
        run = runs.start(STUDY, Path(), "hospital")
        ids.append(run.id)
        while run.state == "running":
            pass
    assert [runs.find(id_) is not None for id_ in ids] == [False, False, True, True]
