"""A push to a real server over a network that fails: what is read there afterwards is right."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from adapter.demo.server import EmbeddedServer
from adapter.fhir.json import equal
from adapter.fhir.transport import Transport
from adapter.mapped import Mapped
from adapter.outbox import Outbox, PushResult, Server, push
from tests.faults.proxy import Proxy, Toxic
from tests.faults.study import study

SPOILED = 2  # connections, before there is a clean one
NUMBERS = itertools.count(10)
TOXICS = [
    Toxic("latency", seconds=0.02),
    Toxic("slicer", seconds=0.001, size=400),
    Toxic("slicer", seconds=0.01, size=16),  # slower than the deadline allows
    Toxic("timeout", seconds=0.05),
    Toxic("timeout", "up", seconds=0.05),
    Toxic("reset_peer", size=0),
    Toxic("reset_peer", size=900),
    Toxic("reset_peer", "up", size=700),
    Toxic("limit_data", size=40),
    Toxic("limit_data", size=1_500),
    Toxic("limit_data", "up", size=1_500),
    Toxic("slow_close", seconds=0.1),
]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as running:
        yield running


class Sync:
    """Pushes of a study of its own through the proxy, with a clock that only sleeping moves."""

    def __init__(self, folder: Path, server: EmbeddedServer, proxy: Proxy):
        self.own = f"p{next(NUMBERS)}"
        self.folder, self.server = folder, server
        self.at = Server("test", f"http://127.0.0.1:{proxy.port}/fhir")
        self.now, self.waits = 0.0, 0
        self.woken: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits += 1
        self.woken()

    def wanted(self, value: float) -> list[Mapped]:
        """The small study, under ids that no other test has."""
        return [
            Mapped(json.loads(self._named(json.dumps(each.resource))), self._named(each.subject))
            for each in study(value)
        ]

    def _named(self, text: str) -> str:
        return re.sub(r"s([a-z]{29}\d\d)", rf"{self.own}\1", text)

    def push(self, value: float) -> PushResult:
        with Outbox.open(
            self.folder / "o.sqlite", study="T", release="R4", key_fingerprint="k"
        ) as outbox:
            return push(
                outbox, self.at, self.wanted(value), wait=600, clock=lambda: self.now,
                sleep=self.sleep,
                transport_factory=lambda at: Transport(at.url, timeout=0.3, deadline=0.5),
            )  # fmt: skip

    def holds(self, value: float, changed: int) -> None:
        """The server has all of it as it is wanted now, and each was written once a content."""
        with closing(Transport(self.server.url)) as transport:
            for item in self.wanted(value):
                held = transport.get(item.reference).body
                assert equal(held, item.resource), item.reference
                is_first = item.reference.startswith("Observation/") and (
                    item.resource["valueQuantity"]["value"] == value
                )
                assert held["meta"]["versionId"] == str(changed if is_first else 1), item.reference


@pytest.mark.parametrize("toxic", TOXICS, ids=lambda t: f"{t.name}-{t.stream}-{t.size}")
def test_whatever_the_network_does_the_server_ends_up_right(
    toxic: Toxic, tmp_path: Path, server: EmbeddedServer
) -> None:
    with Proxy(server.port, [toxic] * SPOILED) as proxy:
        sync = Sync(tmp_path, server, proxy)
        first = sync.push(7.5)
        assert (first.dead, first.parked) == (0, 0)
        sync.holds(7.5, changed=1)
        proxy.toxics = [toxic] * SPOILED
        assert sync.push(8.5).dead == 0
        sync.holds(8.5, changed=2)
        proxy.toxics = []
        again = sync.push(8.5)
        assert (again.writes, again.requests) == (0, 0)
        assert proxy.connections > 0
        assert proxy.carried["up"] > 0


def test_a_network_that_is_down_and_comes_back(tmp_path: Path, server: EmbeddedServer) -> None:
    with Proxy(server.port) as proxy:
        sync = Sync(tmp_path, server, proxy)
        proxy.down()
        sync.woken = lambda: proxy.up() if sync.waits == 3 else None
        assert sync.push(7.5).created == len(study())
        assert sync.waits == 3
        sync.holds(7.5, changed=1)
        assert sync.push(7.5).requests == 0
