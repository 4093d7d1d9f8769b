"""A token of one study: every address of another study answers as if it were not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from web_fakes import STUDY, TOKEN, FakePush, ended
from werkzeug.test import TestResponse

from adapter.errors import ConfigurationError
from adapter.web import Token, auth, create_app

OTHER = "TEST02"
OWN_TOKEN = "t0ken-of-study-one-0123456789"
OTHER_TOKEN = "t0ken-of-study-two-0123456789"


@pytest.fixture
def app(study: Path, push: FakePush) -> Flask:
    """Two studies: a token for each, and one for both."""
    tokens = [Token(TOKEN), Token(OWN_TOKEN, STUDY), Token(OTHER_TOKEN, OTHER)]
    return create_app({STUDY: study, OTHER: study}, tokens, sync=push)


def holder(app: Flask, token: str) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    client.environ_base["HTTP_X_REQUEST_ID"] = "the-same"
    return client


def seen(answer: TestResponse) -> tuple[int, bytes, dict[str, str]]:
    """All that a caller can tell two answers apart by."""
    return answer.status_code, answer.get_data(), dict(answer.headers)


def test_w02_each_token_opens_its_own_studies(app: Flask, push: FakePush) -> None:
    push.go.set()
    for token, studies in ((OWN_TOKEN, [STUDY]), (OTHER_TOKEN, [OTHER]), (TOKEN, [STUDY, OTHER])):
        client = holder(app, token)
        for study in studies:
            address = client.post(f"/studies/{study}/sync").headers["Content-Location"]
            assert ended(client, address)["study"] == study


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"json": {"server": "hospital"}},
        {"json": {"server": "no such server"}},
        {"data": b"not JSON", "content_type": "text/plain"},
        {"headers": {"Idempotency-Key": '"k"'}},
        {"headers": {"Idempotency-Key": ""}},
    ],
)
def test_w02_another_study_is_an_unknown_study(
    app: Flask, push: FakePush, options: dict[str, Any]
) -> None:
    client = holder(app, OWN_TOKEN)
    unknown = client.post("/studies/NOTHING/sync", **options)
    assert unknown.status_code == 404
    assert unknown.get_json()["resourceType"] == "OperationOutcome"
    assert seen(client.post(f"/studies/{OTHER}/sync", **options)) == seen(unknown)
    assert push.calls == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_w02_other_methods_tell_nothing_either(app: Flask, method: str) -> None:
    client = holder(app, OWN_TOKEN)
    unknown = client.open("/studies/NOTHING/sync", method=method)
    assert seen(client.open(f"/studies/{OTHER}/sync", method=method)) == seen(unknown)


def test_w02_a_run_of_another_study_is_an_unknown_run(app: Flask, push: FakePush) -> None:
    theirs = holder(app, OTHER_TOKEN)
    address = theirs.post(f"/studies/{OTHER}/sync").headers["Content-Location"]
    client = holder(app, OWN_TOKEN)
    unknown = client.get("/runs/nothing")
    assert unknown.status_code == 404
    assert seen(client.get(address)) == seen(unknown)  # while it runs
    assert client.post(f"/studies/{OTHER}/sync").status_code == 404  # and not 409
    push.go.set()
    ended(theirs, address)
    assert seen(client.get(address)) == seen(unknown)


def test_w02_validate_is_open_to_any_token(app: Flask) -> None:
    for token in (TOKEN, OWN_TOKEN, OTHER_TOKEN):
        answer = holder(app, token).post("/fhir/$validate", json={"resourceType": "Basic"})
        assert answer.status_code == 200
    assert holder(app, OWN_TOKEN + "x").post("/fhir/$validate", json={}).status_code == 401


def test_w02_one_token_may_stand_for_several_studies(study: Path, push: FakePush) -> None:
    tokens = [Token(OWN_TOKEN, STUDY), Token(OWN_TOKEN, OTHER)]
    app = create_app({STUDY: study, OTHER: study, "TEST03": study}, tokens, sync=push)
    client = holder(app, OWN_TOKEN)
    codes = [client.post(f"/studies/{each}/sync").status_code for each in (STUDY, OTHER, "TEST03")]
    assert codes == [202, 202, 404]


def test_w02_every_token_is_compared(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(_sent: bytes, known: bytes) -> bool:
        compared.append(known)
        return True

    monkeypatch.setattr(auth.hmac, "compare_digest", compare)
    holder(app, TOKEN).get("/runs/x")
    assert compared == [TOKEN.encode(), OWN_TOKEN.encode(), OTHER_TOKEN.encode()]


@pytest.mark.parametrize("tokens", [[], [Token(OWN_TOKEN, STUDY), Token("short", OTHER)]])
def test_w02_each_token_must_be_strong(tokens: list[Token]) -> None:
    with pytest.raises(ConfigurationError):
        create_app({}, tokens)


def test_w02_a_token_is_not_in_its_repr() -> None:
    assert OWN_TOKEN not in repr(Token(OWN_TOKEN, STUDY))
