"""A plan says what a push would do: not less, and not more."""

from __future__ import annotations

import pytest

from adapter.errors import UnavailableError
from adapter.mapped import Mapped
from adapter.outbox import Absence, Plan, drop, plan, verify
from tests.faults.bench import Bench
from tests.faults.faults import Fault
from tests.faults.study import CHANGED, name, study


def planned(bench: Bench, wanted: list[Mapped]) -> Plan:
    return plan(bench.outbox, bench.at, wanted)


def steps(found: Plan) -> list[tuple[str, str]]:
    return [(item.action, item.reference) for item in found.items]


def test_what_was_refused_is_tried_again_and_says_so(bench: Bench) -> None:
    bench.server.quirks.refused = {CHANGED: 422}
    bench.push(study())
    assert steps(planned(bench, study())) == [("retry", CHANGED)]
    assert planned(bench, study()).counts["unchanged"] == len(study()) - 1
    bench.server.quirks.refused = {}
    assert bench.push(study()).created == 1
    assert steps(planned(bench, study())) == []


def test_what_was_refused_and_has_changed_since_is_created(bench: Bench) -> None:
    bench.server.quirks.refused = {CHANGED: 422}
    bench.push(study())
    assert steps(planned(bench, study(value=7))) == [("create", CHANGED)]


def test_what_was_given_up_is_in_no_plan_until_it_changes(bench: Bench) -> None:
    bench.server.quirks.refused = {CHANGED: 422}
    bench.push(study())
    drop(bench.outbox, bench.at, CHANGED, "the device was broken")
    assert steps(planned(bench, study())) == []
    assert bench.push(study()).writes == 0
    assert steps(planned(bench, study(value=7))) == [("create", CHANGED)]


def test_what_verify_wants_again_is_in_the_plan(bench: Bench) -> None:
    bench.push(study())
    bench.server.store.versions[CHANGED].append(None)
    verify(bench.outbox, bench.at, transport_factory=bench.transport)
    assert steps(planned(bench, study())) == [("retry", CHANGED)]
    assert bench.push(study()).created == 1


def test_what_is_still_on_its_way_and_not_mapped_any_more_is_in_the_plan(bench: Bench) -> None:
    bench.push(study())
    bench.server.faults = (Fault("status", "any", range(1, 9999), status=503),)
    with pytest.raises(UnavailableError):
        bench.push(study(children=4))
    bench.server.faults = ()
    of_a_delta = Absence(exports={"": "delta"})
    found = plan(bench.outbox, bench.at, study(), absence=of_a_delta)
    child = name("d")
    assert {item.reference for item in found.items if item.action == "retry"} == {
        f"Patient/{child}", f"Observation/{name('d', 1)}", f"Observation/{name('d', 2)}",
    }  # fmt: skip
    assert found.counts["update"] == 1  # the group, without the child
    done = bench.push(study())
    assert (done.created, done.updated) == (3, 1)
