"""Two processes push one study at once, from one outbox in PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

from adapter.fhir.transport import Transport
from adapter.outbox import Outbox, Server, push
from adapter.outbox.tables import metadata
from tests.faults import child, invariants
from tests.faults.faults import Fault
from tests.faults.server import ScriptedServer
from tests.faults.study import study

CHILDREN = 320  # more than two processes claim at once


class Meeting(ScriptedServer):
    """A server that lets nobody begin before both are there."""

    def fault_at(self, kind: str) -> Fault | None:
        came = {headers.get("from", "") for headers in list(self.seen)}
        if kind == "metadata" and not {"one", "other"} <= came:
            return Fault("status", kind, status=503)
        return super().fault_at(kind)


def started(url: str, server: ScriptedServer, name: str) -> subprocess.Popen[bytes]:
    program = str(Path(child.__file__))
    words = [sys.executable, program, url, server.url, "1.5", str(CHILDREN)]
    return subprocess.Popen(words, env={**os.environ, "CHILD": name})  # noqa: S603


def test_c02_two_processes_send_everything_once_and_split_no_subject(postgresql: str) -> None:
    engine = sa.create_engine(postgresql)
    metadata.drop_all(engine)
    engine.dispose()
    wanted = study(children=CHILDREN)
    with Meeting() as server:
        both = [started(postgresql, server, name) for name in ("one", "other")]
        assert [process.wait(120) for process in both] == [0, 0]
        assert [len(held) for held in server.store.versions.values()] == [1] * len(wanted)
        subjects = {item.reference: item.subject for item in wanted}
        writers: dict[str, set[str]] = {}
        for who, place in server.writers:
            writers.setdefault(subjects[place], set()).add(who)
        assert {len(who) for subject, who in writers.items() if subject} == {1}
        assert set.union(*writers.values()) == {"one", "other"}
        share = {name: sum(who == name for who, _ in server.writers) for name in ("one", "other")}
        assert min(share.values()) > len(wanted) // 10, share
        at = Server("test", server.url)
        with Outbox.open(postgresql, study="T", release="R4", key_fingerprint="k") as outbox:
            again = push(outbox, at, wanted, transport_factory=lambda to: Transport(to.url))
            assert (again.writes, again.requests) == (0, 0)
            invariants.nothing_stale(outbox, at, wanted, server.store, frozenset())
            assert outbox.status()["ledger"]["broken"] is None
    invariants.nothing_doubled(server.store)
