"""What the server holds is read back, with patience, and every reference is followed."""

from __future__ import annotations

import pytest

from adapter.errors import UnavailableError
from adapter.outbox import VerifyResult, drop, retract, verify
from tests.faults.bench import Bench
from tests.faults.faults import Fault
from tests.faults.study import CHANGED, name, study


def look(bench: Bench, wait: float = 60) -> VerifyResult:
    return verify(
        bench.outbox,
        bench.at,
        wait=wait,
        transport_factory=bench.transport,
        clock=lambda: bench.now,
        sleep=bench.sleep,
    )


def busy(bench: Bench, kind: str, first: int, last: int) -> None:
    """These requests of a kind are answered with 503 from now on."""
    bench.server.asked.clear()
    bench.server.faults = (Fault("status", kind, range(first, last + 1), status=503),)


def test_a_busy_moment_does_not_end_it(bench: Bench) -> None:
    bench.push(study())
    busy(bench, "look", 1, 3)
    assert look(bench).is_in_step
    assert len(bench.waits) >= 3
    assert bench.waits == sorted(bench.waits)


def test_what_was_found_is_wanted_again_when_it_gives_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter.outbox.verifier.PAGE", 5)
    bench.push(study())
    bench.server.store.versions[CHANGED].append(None)
    busy(bench, "look", 2, 999)
    with pytest.raises(UnavailableError, match="waited 60 s"):
        look(bench)
    assert bench.outbox.known(bench.outbox.server_id(bench.at))[CHANGED].state == "new"
    assert sum(bench.waits) == pytest.approx(60)


def test_a_target_that_was_refused_since_is_not_dangling_where_the_server_has_it(
    bench: Bench,
) -> None:
    bench.push(study())
    site = f"Organization/{name('o')}"
    bench.server.quirks.refused = {site: 422}
    changed = study()
    changed[0].resource["name"] = "Another"
    assert bench.push(changed).dead == 1
    assert look(bench).dangling == []
    drop(bench.outbox, bench.at, site, "as it was is good enough")
    assert look(bench).dangling == []
    bench.server.store.versions[site].append(None)
    assert look(bench).dangling == [site]


def test_the_proof_of_a_withdrawal_has_patience_too(bench: Bench) -> None:
    bench.push(study())
    busy(bench, "get", 1, 2)
    done = retract(
        bench.outbox,
        bench.at,
        name("a"),
        transport_factory=bench.transport,
        clock=lambda: bench.now,
        sleep=bench.sleep,
    )
    assert done.is_proven
    assert len(bench.waits) >= 2
