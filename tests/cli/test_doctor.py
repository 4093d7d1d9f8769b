"""``study-fhir doctor``: this installation, a server, our way in, what it does with versions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from adapter.cli.doctor import command
from adapter.demo.server import EmbeddedServer
from adapter.errors import EXIT, StudyFhirError, outcome_of
from adapter.fhir.access import Access
from adapter.fhir.diagnosis import tls_of
from adapter.service import examining, outboxes, pushing, verifying
from adapter.study import Study
from tests.fhir.test_probe import ReadOnly, Unversioned
from tests.servers.authority import Authority, serving
from tests.servers.smart import Rules, smart_server

CLIENT = "study-client"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


def doctor(*args: object) -> tuple[int, str, str]:
    """Exit code, what it printed, and the error with its hint."""
    done = CliRunner().invoke(command, [str(arg) for arg in args], standalone_mode=False)
    if isinstance(done.exception, StudyFhirError):
        return outcome_of(done.exception).exit, done.output, str(done.exception)
    if isinstance(done.exception, click.ClickException):
        return EXIT.configuration, done.output, done.exception.format_message()
    assert done.exception is None, done.exception
    return done.return_value, done.output, ""


def add_server(folder: Path, url: str, auth: str = "") -> None:
    file = folder / "study.yaml"
    text = file.read_text(encoding="utf-8")
    block = f"servers:\n  hospital:\n    url: {url}\n    {auth}\n"
    file.write_text(text + block, encoding="utf-8")


def make_key(folder: Path, key: Any) -> Path:
    file = folder / "smart.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    file.chmod(0o600)
    return file


def test_the_installation_alone() -> None:
    code, shown, _ = doctor()
    assert code == 0
    assert "in order" in shown


def test_a_server_by_its_url(server: EmbeddedServer) -> None:
    code, shown, _ = doctor("--server", server.url, "--format", "json")
    found = json.loads(shown)
    assert code == found["exit"] == 0
    assert (found["fhir"], found["auth"], found["reads"], found["tls"]) == ("R4", "none", 404, None)
    assert abs(found["clock"]) <= 3
    assert found["probe"] is None


def test_the_strategy_for_every_type_of_the_study(server: EmbeddedServer, folder: Path) -> None:
    code, shown, _ = doctor(folder, "--server", server.url, "--format", "json")
    found = json.loads(shown)["strategies"]
    assert code == 0
    assert {"Patient", "Observation", "ResearchStudy"} <= found.keys()
    assert set(found.values()) == {"PUT in a transaction"}


def test_a_probe_is_a_table_and_is_remembered(server: EmbeddedServer, folder: Path) -> None:
    code, shown, _ = doctor(folder, "--server", server.url, "--probe")
    assert code == 0
    assert "a stale If-Match is refused (transaction)" in shown
    study = Study(folder)
    target = outboxes.server_of(study.settings.server(server.url))
    with outboxes.open_outbox(study) as outbox:
        learnt = outbox.learnt(outbox.server_id(target))
    assert (learnt["probe:if-match-stale"], learnt["probe:if-none-match"]) == ("yes", "no")


@pytest.mark.parametrize(
    ("way", "exit_code"), [(Unversioned, EXIT.findings), (ReadOnly, EXIT.refused)]
)
def test_s09_a_server_without_what_a_push_needs(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, way: type, exit_code: int
) -> None:
    monkeypatch.setattr(examining.box, "transport_to", lambda target: way(target.url))
    code, shown, _ = doctor("--server", server.url, "--probe")
    assert code == exit_code
    assert "not in order" in shown


def test_s09_a_push_to_a_server_that_ignores_versions_says_so(
    server: EmbeddedServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(examining.box, "transport_to", lambda target: Unversioned(target.url))
        assert doctor(folder, "--server", server.url, "--probe")[0] == EXIT.findings
    assert pushing.push(Study(folder), server.url).ignores_versions
    assert doctor(folder, "--server", server.url, "--probe")[0] == EXIT.done
    assert not pushing.push(Study(folder), server.url).ignores_versions


def test_another_release_than_the_study(server: EmbeddedServer, folder: Path) -> None:
    text = (folder / "study.yaml").read_text(encoding="utf-8")
    (folder / "study.yaml").write_text(f"fhir: R5\n{text}", encoding="utf-8")
    code, _, error = doctor(folder, "--server", server.url)
    assert code == EXIT.configuration
    assert "speaks FHIR R4" in error


@pytest.mark.parametrize("args", [("--probe",), ("--jwks", "-"), (".",)])
def test_a_server_must_be_named(args: tuple[str, ...]) -> None:
    code, _, error = doctor(*args)
    assert code == EXIT.configuration
    assert "--server" in error


def test_a_server_that_does_not_let_us_in_ends_with_5(folder: Path) -> None:
    with smart_server(Rules()) as rules:
        add_server(folder, rules.url)
        code, _, error = doctor(folder, "--server", "hospital")
    assert code == EXIT.authentication
    assert "HTTP 401" in error


def test_a_clock_that_is_off_is_a_finding(folder: Path) -> None:
    with smart_server(Rules(clock=600, accepts={"Bearer t"})) as rules:
        file = folder / "token"
        file.write_text("t", encoding="ascii")
        file.chmod(0o600)
        add_server(folder, rules.url, "token-file: token")
        code, shown, _ = doctor(folder, "--server", "hospital")
    assert code == EXIT.findings
    assert "behind the server's: set it (NTP)" in shown


def test_tls_version_and_end_of_the_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with smart_server(Rules(), serving(authority.issue("good"))) as rules:
        found = tls_of(rules.url, Access(ca_file=authority.ca))
    assert found
    assert found[0] == "TLSv1.3"
    assert found[1].startswith("20")


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_the_way_of_smart_backend_services(folder: Path, algorithm: str) -> None:
    """Key, registration by the JWKS that doctor writes, doctor, push, verify."""
    key: Any = ec.generate_private_key(ec.SECP384R1())
    if algorithm == "RS384":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    make_key(folder, key)
    auth = f"auth: {{type: smart, client-id: {CLIENT}, key-file: smart.pem}}"
    add_server(folder, "http://127.0.0.1:9/fhir", auth)
    code, shown, _ = doctor(folder, "--server", "hospital", "--jwks", "-")
    assert code == 0
    registered = json.loads(shown)
    assert [each["alg"] for each in registered["keys"]] == [algorithm]
    assert "d" not in registered["keys"][0]
    client = {"client_id": CLIENT, "jwks": registered, "scopes": "system/*.cruds"}
    with EmbeddedServer(auth={"types": ["smart"], "smart_clients": [client]}) as server:
        text = (folder / "study.yaml").read_text(encoding="utf-8")
        text = text.replace("http://127.0.0.1:9/fhir", server.url)
        (folder / "study.yaml").write_text(text, encoding="utf-8")
        code, shown, _ = doctor(folder, "--server", "hospital", "--probe", "--format", "json")
        assert (code, json.loads(shown)["auth"]) == (0, "smart")
        pushed = pushing.push(Study(folder), "hospital")
        assert (pushed.result.created, pushed.exit) == (12, 0)
        assert verifying.verify(Study(folder), "hospital").missing == []
    kept = b"".join(file.read_bytes() for file in (folder / ".study-fhir").glob("outbox*"))
    assert not any(secret in kept for secret in (b"eyJ", b"PRIVATE KEY", b"Bearer"))


def test_a_smart_server_that_grants_less_stops_before_any_write(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    make_key(folder, key)
    auth = f"auth: {{type: smart, client-id: {CLIENT}, key-file: smart.pem}}"
    add_server(folder, "http://127.0.0.1:9/fhir", auth)
    registered = examining.jwks(Study(folder), "hospital")
    client = {"client_id": CLIENT, "jwks": registered, "scopes": "system/*.rs"}
    with EmbeddedServer(auth={"types": ["smart"], "smart_clients": [client]}) as server:
        text = (folder / "study.yaml").read_text(encoding="utf-8")
        text = text.replace("http://127.0.0.1:9/fhir", server.url)
        (folder / "study.yaml").write_text(text, encoding="utf-8")
        code, _, error = doctor(folder, "--server", "hospital")
    assert code == EXIT.configuration
    assert "scope" in error


def test_jwks_wants_a_study_and_a_smart_server(server: EmbeddedServer, folder: Path) -> None:
    code, _, error = doctor("--server", server.url, "--jwks", "-")
    assert (code, "STUDY" in error) == (EXIT.configuration, True)
    add_server(folder, server.url)
    code, _, error = doctor(folder, "--server", "hospital", "--jwks", "-")
    assert (code, "no key of ours" in error) == (EXIT.configuration, True)
