"""A service over one small study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from web_fakes import STUDY, TOKEN, FakePush

from adapter.web import create_app


@pytest.fixture
def push() -> Iterator[FakePush]:
    push = FakePush()
    yield push
    push.go.set()  # no thread outlives its test


@pytest.fixture
def study(folder: Path) -> Path:
    """The small study with a server."""
    with (folder / "study.yaml").open("a", encoding="utf-8") as file:
        file.write("servers:\n  hospital: {url: 'http://127.0.0.1:9/fhir'}\n")
    return folder


@pytest.fixture
def app(study: Path, push: FakePush) -> Flask:
    return create_app({STUDY: study}, TOKEN, sync=push)


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    """A caller without a token."""
    return app.test_client()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A caller with the token."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    return client
