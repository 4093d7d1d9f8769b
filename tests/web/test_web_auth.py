"""Every route of the url_map asks for the token, except those that say they are public."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from web_fakes import STUDY, TOKEN

from adapter.errors import ConfigurationError
from adapter.web import create_app

PUBLIC = {"/healthz"}


def routes() -> list[tuple[str, str]]:
    """(method, address) of every route; arguments filled in with what exists."""
    app = create_app({STUDY: Path()}, TOKEN, sync=lambda _folder, _server: {})
    with app.test_request_context():
        return [
            (
                method,
                app.url_map.bind("").build(rule.endpoint, dict.fromkeys(rule.arguments, STUDY)),
            )
            for rule in app.url_map.iter_rules()
            for method in sorted(rule.methods or ())
        ]


ATTEMPTS: dict[str, dict[str, Any]] = {
    "no token": {},
    "wrong token": {"headers": {"Authorization": "Bearer t0ken-of-the-tests-0123456788"}},
    "longer token": {"headers": {"Authorization": f"Bearer {TOKEN}x"}},
    "empty token": {"headers": {"Authorization": "Bearer "}},
    "no scheme": {"headers": {"Authorization": TOKEN}},
    "basic": {"auth": ("user", TOKEN)},
    "in the query": {"query_string": {"access_token": TOKEN, "token": TOKEN}},
    "in a cookie": {"headers": {"Cookie": f"token={TOKEN}"}},
    "in the body": {"json": {"access_token": TOKEN}},
    "bytes": {"headers": {"Authorization": "Bearer \xff\xfe"}},
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
@pytest.mark.parametrize(("method", "address"), routes())
def test_route_needs_the_token(
    stranger: FlaskClient, method: str, address: str, attempt: dict[str, Any]
) -> None:
    answer = stranger.open(address, method=method, **attempt)
    if address in PUBLIC:
        assert answer.status_code == 200
        return
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.content_type == "application/fhir+json"
    assert TOKEN not in answer.get_data(as_text=True) + str(answer.headers)
    if method != "HEAD":
        assert answer.get_json()["issue"][0]["code"] == "login"


def test_routes_are_those_of_the_documentation() -> None:
    assert {(m, a) for m, a in routes() if m not in ("HEAD", "OPTIONS")} == {
        ("GET", "/healthz"),
        ("POST", f"/studies/{STUDY}/sync"),
        ("GET", f"/runs/{STUDY}"),
        ("POST", "/fhir/$validate"),
    }


@pytest.mark.parametrize("address", ["/nothing", "/studies/OTHER/sync", "//healthz", "/healthz/"])
def test_unknown_addresses_tell_strangers_nothing(stranger: FlaskClient, address: str) -> None:
    assert stranger.get(address).status_code == 401


def test_the_token_opens(client: FlaskClient) -> None:
    assert client.get(f"/runs/{STUDY}").status_code == 404


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "with spaces in it and more", "é" * 20])
def test_weak_token_is_refused(token: str) -> None:
    with pytest.raises(ConfigurationError):
        create_app({}, token)


def test_debug_cannot_be_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    app: Flask = create_app({}, TOKEN)
    assert app.debug is False
