"""A terminology server on loopback: batches, its cache, and what becomes of its failures."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import UsageError
from adapter.validation import tx_server
from adapter.validation.definitions import Definitions
from adapter.validation.terminology import Terminology
from adapter.validation.tx_server import ServerTerminology, choose

LOINC = "http://loinc.org"
KNOWN = {"8480-6", "8462-4"}
VITALS = "http://hl7.org/fhir/ValueSet/observation-vitalsignresult"
SYSTOLIC = {"coding": [{"system": LOINC, "code": "8480-6"}]}
OTHER = {"coding": [{"system": LOINC, "code": "718-7"}]}


class Handler(BaseHTTPRequestHandler):
    """Answers every question of a batch: LOINC's KNOWN codes are right."""

    def do_POST(self) -> None:
        self.server.requests.append(self.rfile.read(int(self.headers["Content-Length"])))
        behave = self.server.behaviour
        if behave == "redirect":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            return
        body = {"endless": b"x" * 4096, "text": b"<html>"}.get(behave) or self.answer()
        self.send_response(503 if behave == "busy" else 200)
        self.send_header("Content-Type", "application/fhir+json")
        self.end_headers()
        self.wfile.write(body)

    def answer(self) -> bytes:
        batch = json.loads(self.server.requests[-1])
        return json.dumps(
            {"resourceType": "Bundle", "entry": [self.one(e) for e in batch["entry"]]}
        ).encode()

    def one(self, entry: dict[str, Any]) -> dict[str, Any]:
        given = {p["name"]: list(p.values())[-1] for p in entry["resource"]["parameter"]}
        if given["code"] == "unanswerable":
            return {"response": {"status": "422"}, "resource": {"resourceType": "OperationOutcome"}}
        result = {"name": "result", "valueBoolean": given["code"] in KNOWN}
        said = {"name": "message", "valueString": "no such code"}
        return {"resource": {"resourceType": "Parameters", "parameter": [result, said]}}

    def log_message(self, *_: Any) -> None:
        """Keeps quiet."""


class Loopback(ThreadingHTTPServer):
    """Counts what it is asked."""

    requests: list[bytes]
    behaviour = "good"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/fhir"


@pytest.fixture
def server() -> Iterator[Loopback]:
    made = Loopback(("127.0.0.1", 0), Handler)
    made.requests = []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def terminology(server: Loopback, tmp_path: Path) -> Iterator[ServerTerminology]:
    made = choose(Definitions("R4"), "R4", server.url, tmp_path)
    assert isinstance(made, ServerTerminology)
    yield made
    made.close()


def names(issues: list[Any]) -> list[tuple[str, str | None]]:
    return [(one.severity, one.messageId) for one in issues]


def test_the_server_decides(terminology: ServerTerminology) -> None:
    assert terminology.check_concept(SYSTOLIC, VITALS, "extensible", "p") == []
    other = names(terminology.check_concept(OTHER, VITALS, "extensible", "p"))
    assert other == [("warning", "Terminology_TX_NoValid_2_CC")]
    required = terminology.check_concept(OTHER, VITALS, "required", "p")
    assert names(required) == [("error", "Terminology_TX_NoValid_1_CC")]
    assert "no such code" in required[0].message


def test_codes_that_no_value_set_binds(terminology: ServerTerminology) -> None:
    assert terminology.check_coding(SYSTOLIC["coding"][0], None, None, "p") == []
    found = terminology.check_concept(OTHER, None, None, "p")
    assert [(one.severity, one.path) for one in found] == [("error", "p.coding[0]")]


def test_bare_codes_and_codings(terminology: ServerTerminology) -> None:
    mime = "http://hl7.org/fhir/ValueSet/mimetypes|4.0.1"
    found = terminology.check_code("text/plain", mime, "required", "p")
    assert names(found) == [("error", "Terminology_TX_NoValid_16")]
    coding = terminology.check_coding(OTHER["coding"][0], VITALS, "required", "p")
    assert names(coding) == [("error", "Terminology_TX_NoValid_12")]


def test_what_is_known_here_is_not_asked(terminology: ServerTerminology, server: Loopback) -> None:
    gender = "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"
    assert names(terminology.check_code("x", gender, "required", "p"))[-1][0] == "error"
    terminology.check_coding({"system": "http://example.org/x", "code": "1"}, None, None, "p")
    assert server.requests == []


def test_a_run_is_one_batch(terminology: ServerTerminology, server: Loopback) -> None:
    with terminology.collecting():
        terminology.check_concept(SYSTOLIC, VITALS, "extensible", "p")
        terminology.check_concept(OTHER, VITALS, "extensible", "q")
    assert len(server.requests) == 1
    assert terminology.check_concept(SYSTOLIC, VITALS, "extensible", "p") == []
    assert len(terminology.check_concept(OTHER, VITALS, "extensible", "q")) == 1
    assert len(server.requests) == 1


def test_answers_are_kept_for_the_next_run(
    terminology: ServerTerminology, server: Loopback, tmp_path: Path
) -> None:
    terminology.check_concept(SYSTOLIC, VITALS, "extensible", "p")
    again = ServerTerminology(server.url, Terminology(Definitions("R4"), "R4"), tmp_path)
    assert again.check_concept(SYSTOLIC, VITALS, "extensible", "p") == []
    again.close()
    assert len(server.requests) == 1


@pytest.mark.parametrize("behaviour", ["busy", "text", "redirect", "endless"])
def test_a_failure_is_told_once_and_is_no_error(
    terminology: ServerTerminology,
    server: Loopback,
    behaviour: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tx_server, "LARGEST", 1000)
    server.behaviour = behaviour
    first = names(terminology.check_concept(SYSTOLIC, VITALS, "extensible", "p"))
    assert first == [
        ("information", "TERMINOLOGY_TX_NOSVC_BOUND_EXT"),
        ("information", "Terminology_Server_Unavailable"),
    ]
    second = names(terminology.check_concept(OTHER, VITALS, "extensible", "p"))
    assert second == [("information", "TERMINOLOGY_TX_NOSVC_BOUND_EXT")]
    assert len(server.requests) == 1


def test_nobody_there(tmp_path: Path) -> None:
    made = choose(Definitions("R4"), "R4", "http://127.0.0.1:1/fhir", tmp_path)
    assert isinstance(made, ServerTerminology)
    found = names(made.check_concept(SYSTOLIC, VITALS, "extensible", "p"))
    assert ("information", "Terminology_Server_Unavailable") in found
    made.close()


def test_one_question_without_answer(terminology: ServerTerminology) -> None:
    held = {"coding": [{"system": LOINC, "code": "unanswerable"}]}
    found = names(terminology.check_concept(held, VITALS, "extensible", "p"))
    assert ("information", "TERMINOLOGY_TX_NOSVC_BOUND_EXT") in found
    assert not [one for one in found if one[0] == "error"]


@pytest.mark.parametrize(
    "url", ["http://tx.example.com", "https://user:pw@tx.example.com", "ftp://x", "https://x?y=1"]
)
def test_urls_that_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        choose(Definitions("R4"), "R4", url, tmp_path)


def test_modes(tmp_path: Path) -> None:
    assert choose(Definitions("R4"), "R4", "off").off
    assert not choose(Definitions("R4"), "R4", "local").off
    with pytest.raises(UsageError):
        choose(Definitions("R4"), "R4", "https://tx.example.com")
