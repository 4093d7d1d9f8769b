"""``study-fhir serve``: it starts only with a token that others cannot read."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from waitress.server import create_server
from web_fakes import STUDY, TOKEN

from adapter.cli import serve
from adapter.errors import ConfigurationError, UsageError


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n", encoding="ascii")
    file.chmod(0o600)
    return file


class Listening:
    """What waitress was asked for, without listening."""

    effective_port = 4711

    def __init__(self) -> None:
        self.app: Flask | None = None
        self.address: tuple[str, int] = ("", 0)
        self.ran = False

    def create(self, app: Flask, **options: Any) -> Listening:
        self.app, self.address = app, options["sockets"][0].getsockname()
        return self

    def run(self) -> None:
        self.ran = True


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Listening:
    server = Listening()
    monkeypatch.setattr(serve, "create_server", server.create)
    return server


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(serve.command, [str(a) for a in arguments], catch_exceptions=False)


def test_serves_and_says_where(
    study: Path, token_file: Path, listening: Listening, capsys: pytest.CaptureFixture[str]
) -> None:
    invoke(study, "--port", 0, "--token-file", token_file)
    assert listening.ran
    assert listening.address[0] == "127.0.0.1"
    assert listening.app is not None
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert listening.app.test_client().get("/runs/x", headers=headers).status_code == 404


def test_url_is_shown_and_the_token_is_not(
    study: Path, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDY_FHIR_TOKEN", TOKEN)
    shown: list[str] = []
    monkeypatch.setattr(serve.output, "print", lambda text: shown.append(text))
    invoke(study, "--port", 0)
    assert shown == [f"serving {STUDY} at http://127.0.0.1:4711/healthz"]


def test_other_addresses_call_for_tls(
    study: Path, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDY_FHIR_TOKEN", TOKEN)
    shown: list[str] = []
    monkeypatch.setattr(serve.output, "print", lambda text: shown.append(text))
    invoke(study, "--port", 0, "--host", "0.0.0.0")  # noqa: S104 - nothing listens in this test
    assert "TLS" in shown[-1]


def test_no_token_no_service(study: Path, listening: Listening) -> None:
    with pytest.raises(ConfigurationError, match="without a token"):
        invoke(study)
    assert not listening.ran


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o622])
def test_token_file_of_others_is_refused(study: Path, token_file: Path, mode: int) -> None:
    token_file.chmod(mode)
    with pytest.raises(ConfigurationError, match="other users"):
        invoke(study, "--token-file", token_file)


def test_missing_and_empty_token_files(study: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        invoke(study, "--token-file", tmp_path / "nothing")
    empty = tmp_path / "empty"
    empty.touch(0o600)
    with pytest.raises(ConfigurationError, match="empty"):
        invoke(study, "--token-file", empty)


def test_w02_a_token_file_for_each_study(
    study: Path, tmp_path: Path, token_file: Path, listening: Listening
) -> None:
    other = tmp_path / "other"
    shutil.copytree(study, other)
    text = (other / "study.yaml").read_text(encoding="utf-8").replace(STUDY, "TEST02")
    (other / "study.yaml").write_text(text, encoding="utf-8")
    own = tmp_path / "own"
    own.write_text("t0ken-of-one-study-0123456789", encoding="ascii")
    own.chmod(0o600)
    files = ("--token-file", token_file, "--token-file", f"{STUDY}={own}")
    invoke(study, other, "--port", 0, *files)
    assert listening.app is not None

    def codes(token: str) -> list[int]:
        headers = {"Authorization": f"Bearer {token}"}
        assert listening.app is not None
        client = listening.app.test_client()
        addresses = [f"/studies/{name}/sync" for name in (STUDY, "TEST02")]
        body = {"server": "none"}  # nothing starts: 400 is as far as a caller with access gets
        return [client.post(a, json=body, headers=headers).status_code for a in addresses]

    assert codes(TOKEN) == [400, 400]
    assert codes("t0ken-of-one-study-0123456789") == [400, 404]


def test_w02_only_a_study_that_is_served_stands_before_the_file(
    study: Path, tmp_path: Path, token_file: Path, listening: Listening
) -> None:
    strange = token_file.rename(tmp_path / "a=b")
    invoke(study, "--port", 0, "--token-file", strange)
    assert listening.ran
    with pytest.raises(ConfigurationError, match="no study 'NOTHING' is served"):
        invoke(study, "--port", 0, "--token-file", f"NOTHING={strange}")


def test_two_folders_of_one_study(study: Path, token_file: Path) -> None:
    with pytest.raises(UsageError, match="two study folders"):
        invoke(study, study, "--token-file", token_file)


def test_port_in_use(study: Path, token_file: Path) -> None:
    with serve.listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match="cannot listen"):
            invoke(study, "--port", port, "--token-file", token_file)


@pytest.fixture
def connection(app: Flask) -> Iterator[http.client.HTTPConnection]:
    """A real connection to waitress before the application."""
    server = create_server(
        app, host="127.0.0.1", port=0, ident=None, max_request_body_size=serve.MAX_BODY
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.effective_port, timeout=10)
    yield connection
    connection.close()
    with contextlib.suppress(OSError):  # the server may be awake, and gone before we wake it
        server.trigger.pull_trigger(server.close)
    thread.join()
    server.task_dispatcher.shutdown()


def test_large_bodies_over_the_wire(connection: http.client.HTTPConnection) -> None:
    chunks = (b" " * 100_000 for _ in range(20))  # no Content-Length: sent in chunks
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request("POST", f"/studies/{STUDY}/sync", chunks, headers)
    answer = connection.getresponse()
    assert answer.status == 413
    assert answer.getheader("Content-Type") == "application/fhir+json"
    assert answer.getheader("Server") is None
