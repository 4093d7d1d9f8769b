"""A scripted server, an outbox, and a clock that only sleeping moves."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

from adapter.fhir.access import Access
from adapter.fhir.transport import Transport
from adapter.mapped import Mapped
from adapter.outbox import Outbox, PushResult, Server, push
from tests.faults.server import ScriptedServer
from tests.faults.study import CHANGED, TOKEN, study

WAIT = 60.0


class Bearer:
    """A token that must be found nowhere but in a request."""

    def authorization(self) -> str:
        return f"Bearer {TOKEN}"

    def renewed(self, _given: str | None) -> None:
        return None


class Bench:
    """A server, an outbox, and a clock that only sleeping moves."""

    def __init__(self, folder: Path, server: ScriptedServer):
        self.server = server
        self.database = folder / "o.sqlite"
        self.outbox = Outbox.open(self.database, study="T", release="R4", key_fingerprint="k")
        self.at = Server("test", server.url)
        self.now, self.waits = 0.0, list[float]()
        self.timeout = 0.3  # seconds; more where nothing is slow on purpose, but the machine may be

    def close(self) -> None:
        self.outbox.__exit__(None, None, None)

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.waits.append(seconds)
        self.now += seconds

    def transport(self, server: Server) -> Transport:
        access = Access(identity=Bearer())
        return Transport(
            server.url, access=access, timeout=self.timeout, deadline=self.timeout + 0.2,
            max_bytes=1_000_000,
        )  # fmt: skip

    def push(self, wanted: Sequence[Mapped], workers: int = 1) -> PushResult:
        return push(
            self.outbox, self.at, wanted, wait=WAIT, workers=workers,
            transport_factory=self.transport, clock=lambda: self.now, sleep=self.sleep,
        )  # fmt: skip


def meddled(bench: Bench, what: str) -> list[Mapped]:
    """What is wanted now, after a first push and what others did since."""
    store = bench.server.store
    if what == "doubled":
        twin = next(item.resource for item in study() if item.reference == CHANGED)
        for given in ("one", "two"):
            store.versions[f"Observation/{given}"] = [{**twin, "id": given}]
        return study()
    bench.push(study())
    wanted = study(value=2.5)
    ours = next(item.resource for item in wanted if item.reference == CHANGED)
    if what == "ours":
        store.versions[CHANGED].append(copy.deepcopy(ours))
    elif what == "changed":
        store.versions[CHANGED].append({**ours, "status": "amended"})
    elif what == "deleted":
        store.versions[CHANGED].append(None)
    bench.server.asked.clear()
    return wanted
