"""Servers that take no Bundle: one resource, one request, and no less care."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from adapter.fhir.transport import Answer, Transport
from adapter.outbox import retract
from tests.faults.bench import Bench
from tests.faults.study import CHANGED, name, study


@pytest.fixture(params=[0, 403], ids=["in bundles", "one by one"])
def changed_since(request: pytest.FixtureRequest, bench: Bench) -> Bench:
    """A server that holds the study, of which somebody else has changed a result since."""
    bench.timeout = 30
    bench.server.quirks.no_bundles = request.param
    bench.push(study())
    held = copy.deepcopy(bench.server.store.latest(CHANGED))
    assert held is not None
    bench.server.store.versions[CHANGED].append({**held, "status": "amended"})
    return bench


def test_what_somebody_changed_is_not_written_over(changed_since: Bench) -> None:
    assert changed_since.push(study(value=2.5)).dead == 1
    held = changed_since.server.store.latest(CHANGED)
    assert held is not None
    assert held["status"] == "amended"


def test_what_somebody_changed_is_not_deleted_and_said_to_remain(changed_since: Bench) -> None:
    done = retract(
        changed_since.outbox, changed_since.at, name("a"), transport_factory=changed_since.transport
    )
    assert done.remains[CHANGED].startswith("conflict: HTTP 412")
    held = changed_since.server.store.latest(CHANGED)
    assert held is not None
    assert held["status"] == "amended"


def test_an_answer_that_names_another_resource_is_no_proof(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.server.quirks.no_bundles = 403
    astray: list[str] = []

    class Astray(Transport):
        """A proxy answers one PUT for another, and carries out none."""

        def put(self, path: str, resource: Any, version: str | None = None) -> Answer:
            if path == CHANGED and not astray:
                astray.append(path)
                other = f"Observation/{name('b', 1)}"
                return Answer(201, {"location": f"{other}/_history/1", "etag": 'W/"1"'}, None)
            return super().put(path, resource, version)

    monkeypatch.setattr(bench, "transport", lambda at: Astray(at.url))
    assert bench.push(study()).created == len(study())
    assert astray
    assert bench.server.store.latest(CHANGED) is not None
    assert bench.outbox.places(bench.outbox.server_id(bench.at)) == {}
