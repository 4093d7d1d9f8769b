"""The probe against a server of others, made worse on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from adapter.demo.server import EmbeddedServer
from adapter.fhir.probe import Probed, probe
from adapter.fhir.transport import Answer, Transport, Unknown

SYSTEM = "https://w3id.org/study-fhir-adapter/study"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


class Worse(Transport):
    """A way to a server on which something is lost; remembers what was asked."""

    drops: tuple[str, ...] = ()  # headers
    refuses: dict[tuple[str, str], int] = {}  # noqa: RUF012  method and path's first part: status
    hangs_up_at: str = ""

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None = None
    ) -> Answer:
        kind = path.partition("/")[0]
        if self.hangs_up_at and self.hangs_up_at in (headers or {}):
            raise Unknown("hung up")
        if (method, kind) in self.refuses:
            return Answer(self.refuses[method, kind], {}, None)
        kept = {name: value for name, value in (headers or {}).items() if name not in self.drops}
        return super().exchange(method, path, self._body(body), kept)

    def _body(self, body: bytes | None) -> bytes | None:
        if body is None or "If-Match" not in self.drops:
            return body
        content = json.loads(body)
        for entry in content.get("entry", ()):
            entry["request"].pop("ifMatch", None)
        return json.dumps(content).encode()


class Unversioned(Worse):
    drops = ("If-Match",)


class Repeating(Worse):
    drops = ("If-None-Exist",)


class OwnIds(Worse):
    """Gives ids of its own: a PUT updates what is there, and creates nothing."""

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None = None
    ) -> Answer:
        if method == "PUT" and super().exchange("GET", path, None).status != 200:
            return Answer(405, {}, None)
        return super().exchange(method, path, body, headers)


class NoBasic(Worse):
    refuses = {("PUT", "Basic"): 404, ("POST", "Basic"): 404}  # noqa: RUF012


class NoBundles(Worse):
    refuses = {("POST", ""): 405}  # noqa: RUF012


class ReadOnly(Worse):
    refuses = {  # noqa: RUF012
        (method, kind): 403
        for method in ("PUT", "POST", "DELETE")
        for kind in ("", "Basic", "Library")
    }


class Undeletable(Worse):
    refuses = {("DELETE", "Basic"): 405}  # noqa: RUF012


class HangsUp(Worse):
    hangs_up_at = "If-None-Match"


def probed(server: EmbeddedServer, way: type[Transport]) -> Probed:
    transport = way(server.url)
    try:
        return probe(transport, SYSTEM, "TEST01")
    finally:
        transport.close()


def answers(found: Probed) -> dict[str, str]:
    return {finding.name: finding.answer for finding in found.findings}


def ours(server: EmbeddedServer) -> list[dict[str, Any]]:
    """What carries our tag on the server."""
    transport = Transport(server.url)
    try:
        found = [
            entry["resource"]
            for kind in ("Basic", "Library")
            for entry in transport.get(f"{kind}?_count=100").body.get("entry", ())
        ]
    finally:
        transport.close()
    return [
        one for one in found if {"system": SYSTEM, "code": "TEST01"} in one["meta"].get("tag", ())
    ]


def test_what_a_server_does_is_found_and_nothing_is_left(server: EmbeddedServer) -> None:
    found = probed(server, Transport)
    assert answers(found) == {
        "update-as-create": "yes",
        "content": "yes",
        "unchanged": "no",  # a new version each time
        "if-match": "yes",
        "if-match-stale": "yes",
        "if-none-match": "no",  # overwrites
        "if-none-exist": "yes",
        "transaction": "yes",
        "if-match-bundle": "yes",
        "rollback": "yes",
        "delete": "yes",
    }
    assert (found.lacks, found.left, ours(server)) == ([], [], [])


def test_s09_versions_that_are_ignored_are_detected(server: EmbeddedServer) -> None:
    found = probed(server, Unversioned)
    assert [each.name for each in found.lacks] == ["if-match-stale", "if-match-bundle"]
    assert ours(server) == []


def test_a_condition_that_is_ignored_leaves_no_duplicate(server: EmbeddedServer) -> None:
    assert answers(probed(server, Repeating))["if-none-exist"] == "no"
    assert ours(server) == []


def test_ids_of_the_server_are_taken_as_they_are(server: EmbeddedServer) -> None:
    found = probed(server, OwnIds)
    assert answers(found)["update-as-create"] == "no"
    assert answers(found)["create"] == answers(found)["if-match-stale"] == "yes"
    assert ours(server) == []


def test_a_library_where_basic_is_not_taken(server: EmbeddedServer) -> None:
    found = probed(server, NoBasic)
    assert found.findings[0].status == 201
    assert found.lacks == []
    assert ours(server) == []


def test_without_transactions_single_versions_count(server: EmbeddedServer) -> None:
    found = probed(server, NoBundles)
    assert answers(found)["transaction"] == "no"
    assert "if-match-bundle" not in answers(found)
    assert found.lacks == []


def test_a_server_that_takes_nothing(server: EmbeddedServer) -> None:
    found = probed(server, ReadOnly)
    assert found.is_refused
    assert {finding.status for finding in found.findings} == {403}


def test_what_cannot_be_deleted_is_named(server: EmbeddedServer) -> None:
    found = probed(server, Undeletable)
    assert [each.name for each in found.lacks] == ["delete"]
    assert found.left == [f"Basic/{one['id']}" for one in ours(server)]
    assert len(found.left) == 1
    transport = Transport(server.url)
    transport.delete(found.left[0])
    transport.close()


def test_a_probe_that_fails_half_way_cleans_up(server: EmbeddedServer) -> None:
    with pytest.raises(Unknown):
        probed(server, HangsUp)
    assert ours(server) == []
