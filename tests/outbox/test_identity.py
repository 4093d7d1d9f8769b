"""A server may move to another port; another server there is not taken for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.errors import OutboxError, UnavailableError
from adapter.outbox import Outbox, Server, plan_live, push, retract, verify
from tests.faults.faults import Fault
from tests.faults.server import ScriptedServer
from tests.faults.study import name, study


@pytest.fixture
def pushed(tmp_path: Path) -> Iterator[tuple[Outbox, ScriptedServer]]:
    """An outbox, and the server that acknowledged what it holds."""
    with ScriptedServer() as server, Outbox.open(
        tmp_path / "o.sqlite", study="T", release="R4", key_fingerprint="k"
    ) as outbox:  # fmt: skip
        push(outbox, Server("test", server.url), study())
        yield outbox, server


@pytest.fixture
def other() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


def url_of(outbox: Outbox) -> str:
    return str(outbox.status()["servers"][0]["url"])


def test_an_empty_server_at_another_port_gets_nothing(
    pushed: tuple[Outbox, ScriptedServer], other: ScriptedServer
) -> None:
    outbox, server = pushed
    at = Server("test", other.url)
    with pytest.raises(OutboxError, match="holds nothing of what 'test' acknowledged") as caught:
        push(outbox, at, study())
    assert server.url in str(caught.value)
    assert "another name" in (caught.value.hint or "")
    with pytest.raises(OutboxError):
        plan_live(outbox, at, study())
    with pytest.raises(OutboxError):  # nothing is proven there about what is elsewhere
        retract(outbox, at, name("a"))
    assert other.store.commits == []
    assert url_of(outbox) == server.url
    assert push(outbox, Server("test", server.url), study()).dead == 0


def test_the_same_server_at_another_port_is_recognised_once(
    pushed: tuple[Outbox, ScriptedServer], other: ScriptedServer
) -> None:
    outbox, server = pushed
    other.store.versions = server.store.versions
    at = Server("test", other.url)
    assert push(outbox, at, study()).unchanged == len(study())
    assert dict(other.asked) == {"look": 1}
    assert url_of(outbox) == other.url
    other.asked.clear()
    assert push(outbox, at, study()).requests == 0
    assert not other.asked


def test_it_is_waited_for_as_long_as_a_push_waits(
    pushed: tuple[Outbox, ScriptedServer], other: ScriptedServer
) -> None:
    outbox, server = pushed
    other.store.versions = server.store.versions
    other.faults = (Fault("status", "any", range(1, 3), status=503),)
    at, waits = Server("test", other.url), list[float]()
    with pytest.raises(UnavailableError):
        push(outbox, at, study(), wait=0, sleep=waits.append)
    assert url_of(outbox) == server.url
    assert push(outbox, at, study(), sleep=waits.append).unchanged == len(study())
    assert waits  # once, or again where the connection was closed with the answer
    assert url_of(outbox) == other.url


def test_a_server_that_lost_everything_is_verified_and_then_filled_again(
    pushed: tuple[Outbox, ScriptedServer], other: ScriptedServer
) -> None:
    outbox, _ = pushed
    at = Server("test", other.url)
    assert len(verify(outbox, at).missing) == len(study())
    assert push(outbox, at, study()).created == len(study())
    assert url_of(outbox) == other.url


def test_verify_recognises_it_too(
    pushed: tuple[Outbox, ScriptedServer], other: ScriptedServer
) -> None:
    outbox, server = pushed
    other.store.versions = server.store.versions
    assert verify(outbox, Server("test", other.url)).missing == []
    assert url_of(outbox) == other.url
