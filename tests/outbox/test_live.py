"""A plan against what the server holds: what is no difference is none, and it can be pushed."""

from __future__ import annotations

import copy
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import UnavailableError, UsageError
from adapter.fhir.json import dumps
from adapter.mapped import Mapped
from adapter.outbox import Plan, drop, plan_live
from adapter.service import planning, pushing
from adapter.study import Study
from tests.faults.bench import Bench
from tests.faults.faults import Fault
from tests.faults.quirks import EPIC
from tests.faults.server import ScriptedServer
from tests.faults.study import CHANGED, study


def planned(bench: Bench, wanted: list[Mapped], **more: Any) -> Plan:
    return plan_live(
        bench.outbox,
        bench.at,
        wanted,
        transport_factory=bench.transport,
        clock=lambda: bench.now,
        sleep=bench.sleep,
        **more,
    )


def paths(found: Plan) -> dict[str, list[str]]:
    return {item.reference: [one["path"] for one in item.changes] for item in found.items}


def test_a_server_that_gives_ids_of_its_own_is_in_step_after_a_push(tmp_path: Path) -> None:
    with ScriptedServer(quirks=copy.deepcopy(EPIC)) as server:
        bench = Bench(tmp_path, server)
        bench.push(study())
        found = planned(bench, study())
        assert (found.items, found.unchanged) == ([], len(study()))
        bench.close()


def test_what_only_looks_different_is_no_difference(bench: Bench) -> None:
    bench.push(study())
    held = bench.server.store.versions[CHANGED][-1]
    assert held is not None
    held["valueQuantity"]["value"] = 1.50
    held["status"] = "amended"
    assert paths(planned(bench, study())) == {CHANGED: ["Observation.status"]}


def test_what_was_given_up_is_in_no_live_plan(bench: Bench) -> None:
    bench.server.quirks.refused = {CHANGED: 422}
    bench.push(study())
    assert paths(planned(bench, study())) == {CHANGED: []}
    drop(bench.outbox, bench.at, CHANGED, "the device was broken")
    assert planned(bench, study()).items == []


def test_a_busy_moment_does_not_end_it_and_a_long_one_does(bench: Bench) -> None:
    bench.push(study())
    bench.server.asked.clear()
    bench.server.faults = (Fault("status", "look", range(1, 3), status=503),)
    assert planned(bench, study()).unchanged == len(study())
    bench.server.faults = (Fault("status", "look", range(1, 999), status=503),)
    with pytest.raises(UnavailableError, match="waited 7 s"):
        planned(bench, study(), wait=7)


@pytest.fixture
def drifted(folder: Path) -> Any:
    """A study on a server where one result was changed since, and another deleted."""
    with ScriptedServer() as server:
        pushing.push(Study(folder), server.url)
        changed, gone, *_ = sorted(p for p in server.store.versions if p.startswith("Observation/"))
        held = server.store.latest(changed)
        assert held is not None
        server.store.versions[changed].append({**held, "status": "cancelled"})
        server.store.versions[gone].append(None)
        yield server, changed, gone


def write(folder: Path, server: ScriptedServer) -> Path:
    _, found = planning.plan(Study(folder), server.url, live=True)
    assert (found.counts["create"], found.counts["update"]) == (1, 1)
    file = folder / "plan.json"
    file.write_bytes(dumps(found.to_json()))
    return file


def test_a_live_plan_is_carried_out_as_it_was_seen(folder: Path, drifted: Any) -> None:
    server, changed, gone = drifted
    file = write(folder, server)
    done = pushing.push(Study(folder), server.url, planned=file).result
    assert (done.created, done.updated, done.dead) == (1, 1, 0)
    assert server.store.latest(changed)["status"] == "final"
    assert server.store.latest(gone) is not None
    _, after = planning.plan(Study(folder), server.url, live=True)
    assert after.items == []
    with closing(sqlite3.connect(folder / ".study-fhir" / "outbox.sqlite")) as db:
        said = [line for (line,) in db.execute("SELECT line FROM ledger") if "agreed" in line]
    assert len(said) == 1
    assert f'"overwriting":["{changed}"]' in said[0]


def test_a_live_plan_of_another_day_is_refused(folder: Path, drifted: Any) -> None:
    server, changed, _ = drifted
    file = write(folder, server)
    held = server.store.latest(changed)
    server.store.versions[changed].append({**held, "status": "corrected"})
    commits = len(server.store.commits)
    with pytest.raises(UsageError, match="not what a push would do now"):
        pushing.push(Study(folder), server.url, planned=file)
    assert len(server.store.commits) == commits
