"""The service with the real push, against a FHIR server that others wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from web_fakes import STUDY, TOKEN, ended

from adapter.demo.server import EmbeddedServer
from adapter.web import create_app

CANARIES = ("CANARY-NAME-7f3a", "2015-03-02", TOKEN)


@pytest.fixture
def client(folder: Path) -> Iterator[FlaskClient]:
    with EmbeddedServer() as server:
        with (folder / "study.yaml").open("a", encoding="utf-8") as file:
            file.write(f"servers:\n  hospital: {{url: '{server.url}'}}\n")
        client = create_app({STUDY: folder}, TOKEN).test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
        yield client


def test_two_pushes(client: FlaskClient) -> None:
    first = ended(client, client.post(f"/studies/{STUDY}/sync").headers["Content-Location"])
    assert (first["state"], first["exit"], first["rejected"]) == ("done", 0, 0)
    assert first["resources"]["Patient"] == 2
    assert first["resources"]["Observation"] == 3
    assert first["push"]["created"] == sum(first["resources"].values())

    second = ended(client, client.post(f"/studies/{STUDY}/sync").headers["Content-Location"])
    assert second["push"]["created"] + second["push"]["updated"] == 0
    assert second["push"]["unchanged"] == first["push"]["created"]
    assert [canary for canary in CANARIES if canary in str((first, second))] == []


def test_no_server_there(folder: Path) -> None:
    with (folder / "study.yaml").open("a", encoding="utf-8") as file:
        file.write("servers:\n  hospital: {url: 'http://user@127.0.0.1:9/fhir'}\n")
    client = create_app({STUDY: folder}, TOKEN).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    run = ended(client, client.post(f"/studies/{STUDY}/sync").headers["Content-Location"])
    assert (run["state"], run["exit"]) == ("failed", 2)
    assert run["outcome"]["issue"][0]["details"]["coding"][0]["code"] == "configuration"
