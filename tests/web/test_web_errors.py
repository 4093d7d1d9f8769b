"""Whatever is asked, the answer is an OperationOutcome with a request id and no traceback."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from web_fakes import STUDY, TOKEN, FakePush
from werkzeug.test import TestResponse

from adapter.errors import TABLE, StudyFhirError, Where

SYNC = f"/studies/{STUDY}/sync"
CANARY = "CANARY-NAME-7f3a"


def check_outcome(answer: TestResponse, status: int, issue: str) -> None:
    assert answer.status_code == status
    assert answer.content_type == "application/fhir+json"
    assert answer.headers["Cache-Control"] == "no-store"
    outcome = answer.get_json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["id"] == answer.headers["X-Request-Id"]
    assert outcome["issue"][0]["code"] == issue
    text = answer.get_data(as_text=True)
    assert "Traceback" not in text
    assert CANARY not in text
    assert TOKEN not in text


@pytest.mark.parametrize(
    ("method", "address", "status", "issue"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/runs/unknown", 404, "not-found"),
        ("POST", "/studies/OTHER/sync", 404, "not-found"),
        ("POST", "/studies/..%2f..%2fetc/sync", 404, "not-found"),
        ("POST", f"/studies/{STUDY}%00/sync", 404, "not-found"),
        ("POST", f"/studies/%0d%0a{CANARY}/sync", 404, "not-found"),
        ("GET", "//healthz", 404, "not-found"),
        ("GET", SYNC, 405, "not-supported"),
        ("DELETE", "/healthz", 405, "not-supported"),
        ("OPTIONS", SYNC, 405, "not-supported"),
        ("TRACE", SYNC, 405, "not-supported"),
    ],
)
def test_wrong_address_or_method(
    client: FlaskClient, method: str, address: str, status: int, issue: str
) -> None:
    check_outcome(client.open(address, method=method), status, issue)


def test_405_says_what_is_allowed(client: FlaskClient) -> None:
    assert client.get(SYNC).headers["Allow"] == "POST"


HOSTILE = {
    "not JSON": b"server=hospital",
    "cut off": b'{"server": "hosp',
    "deep array": b"[" * 100_000,
    "deep object": b'{"server":' * 50_000,
    "long number": b'{"server": ' + b"9" * 5_000 + b"}",
    "huge exponent": b'{"server": 1e999999999}',
    "NaN": b'{"server": NaN}',
    "Infinity": b'{"server": -Infinity}',
    "duplicate key": b'{"server": "hospital", "server": "other"}',
    "lone surrogate": b'{"server": "\\ud800"}',
    "NUL": b'{"server": "hospital\\u0000"}',
    "UTF-16": '{"server": "hospital"}'.encode("utf-16"),
    "bytes": b'{"server": "\xff"}',
    "BOM": b'\xef\xbb\xbf{"server": "hospital"}',
    "null": b"null",
    "array": b'["hospital"]',
    "text": b'"hospital"',
    "server null": b'{"server": 7}',
    "server list": b'{"server": ["hospital"]}',
    "unknown key": b'{"server": "hospital", "url": "http://127.0.0.1/"}',
    "unknown server": f'{{"server": "{CANARY}"}}'.encode(),
    "url": b'{"server": "http://127.0.0.1:9/fhir"}',
    "metadata url": b'{"server": "http://169.254.169.254/latest/"}',
    "file url": b'{"server": "file:///etc/passwd"}',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_body(client: FlaskClient, push: FakePush, body: bytes) -> None:
    check_outcome(client.post(SYNC, data=body, content_type="application/json"), 400, "invalid")
    assert push.calls == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_content_types(client: FlaskClient, kind: str) -> None:
    answer = client.post(SYNC, data=b'{"server": "hospital"}', content_type=kind)
    check_outcome(answer, 415, "not-supported")


def test_large_body(client: FlaskClient) -> None:
    answer = client.post(SYNC, data=b" " * 1_000_001, content_type="application/json")
    check_outcome(answer, 413, "too-long")


@pytest.mark.parametrize("given", ["", "with space", "x" * 65, "a\x1b[31m", "näme"])
def test_unsafe_request_ids_are_replaced(stranger: FlaskClient, given: str) -> None:
    answer = stranger.get("/healthz", headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] != given


def test_request_id_of_the_caller_is_kept(stranger: FlaskClient) -> None:
    answer = stranger.get("/healthz", headers={"X-Request-Id": "run-2024.1"})
    assert answer.headers["X-Request-Id"] == "run-2024.1"


@pytest.mark.parametrize("kind", TABLE, ids=[kind.code for kind in TABLE])
def test_errors_of_ours_follow_the_table(
    app: Flask, client: FlaskClient, kind: type[StudyFhirError]
) -> None:
    def fail() -> str:
        raise kind("a message", where=Where(file="study.yaml", line=3), hint="a hint")

    app.add_url_rule("/fail", view_func=fail)
    answer = client.get("/fail")
    check_outcome(answer, TABLE[kind].http, TABLE[kind].issue)
    issue = answer.get_json()["issue"][0]
    assert issue["details"]["text"] == "a message (study.yaml:3)"
    assert issue["details"]["coding"][0]["code"] == kind.code
    assert issue["diagnostics"] == "a hint"


def test_defects_show_no_text(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        raise KeyError(CANARY)

    app.add_url_rule("/fail", view_func=fail)
    app.testing = True
    with caplog.at_level(logging.DEBUG):
        check_outcome(client.get("/fail"), 500, "exception")
    assert "KeyError" in caplog.text
    assert CANARY not in caplog.text


def test_broken_study_yaml_is_named(client: FlaskClient, study: Path) -> None:
    (study / "study.yaml").write_text("study: [", encoding="utf-8")
    answer = client.post(SYNC)
    check_outcome(answer, 500, "exception")
    assert "study.yaml" in answer.get_json()["issue"][0]["details"]["text"]
