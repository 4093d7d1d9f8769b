"""Every row of the matrix is lived through, and the invariants hold after each."""

from __future__ import annotations

import copy
import logging
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import StudyFhirError, UnavailableError
from adapter.fhir.capability import Capability
from adapter.fhir.transport import Transport
from adapter.mapped import Mapped
from adapter.outbox import (
    Lessons,
    PushResult,
    Server,
    VerifyResult,
    dead_letters,
    plan_live,
    retry,
    verify,
)
from adapter.outbox.relay import OTHERS_DELAY
from tests.faults import child, invariants
from tests.faults.bench import Bench, meddled
from tests.faults.child import POINTS
from tests.faults.faults import Fault, bomb
from tests.faults.quirks import SEARCHING, STATEMENT
from tests.faults.scenarios import MATRIX, READ_ONLY, Scenario
from tests.faults.server import ScriptedServer
from tests.faults.study import CHANGED, name, study


def lived_through(bench: Bench, scenario: Scenario) -> tuple[list[Mapped], PushResult | None, str]:
    """Prepare, let it go wrong, and return what was wanted, what came of it and what was said."""
    wanted = meddled(bench, scenario.meddle) if scenario.meddle else study()
    bench.server.faults = scenario.faults
    said, result = "", None
    if scenario.expect.error:
        with pytest.raises(scenario.expect.error) as caught:
            bench.push(wanted)
        said = f"{caught.value!r} {caught.value} {caught.value.hint}"
        assert scenario.expect.says in said
    else:
        result = bench.push(wanted)
    return wanted, result, said


def searching(scenario: Scenario) -> Scenario | None:
    """The scenario on a server that says it searches each type; None where it is about reads.

    Of an empty type nothing is read there before its first write: see ``adapter/fhir/empty.py``.
    """
    looks = any(fault.on in ("look", "any") or fault.early for fault in scenario.faults)
    if looks or scenario.quirks.capability is not STATEMENT:
        return None
    quirks = replace(copy.deepcopy(scenario.quirks), capability=SEARCHING)
    return replace(scenario, title=f"{scenario.title}, and types are searched", quirks=quirks)


SEARCHED = [found for each in MATRIX if (found := searching(each))]


@pytest.mark.parametrize("scenario", [*MATRIX, *SEARCHED], ids=lambda each: each.id)
def test_the_invariants_hold(
    scenario: Scenario, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expect, logged = scenario.expect, []
    with ExitStack() as stack:
        other = stack.enter_context(ScriptedServer())
        faults = tuple(_towards(fault, other.port) for fault in scenario.faults)
        server = stack.enter_context(ScriptedServer(quirks=copy.deepcopy(scenario.quirks)))
        bench = Bench(tmp_path, server)
        stack.callback(bench.close)
        caplog.set_level(logging.DEBUG)
        caplog.handler.setFormatter(logging.Formatter("%(message)s %(args)s"))
        wanted, result, said = lived_through(
            bench, Scenario(scenario.row, scenario.title, faults, scenario.quirks, expect,
                            scenario.meddle),
        )  # fmt: skip
        if result:
            assert (result.dead, result.parked) == (expect.dead, expect.parked)
        assert bool(bench.waits) >= expect.waits
        assert sum(bench.waits) >= expect.waited
        assert sum(server.asked.values()) <= expect.at_most, server.asked  # I6
        assert sum(other.asked.values()) == 0  # nobody else hears of it
        invariants.nothing_lost(bench.outbox, bench.at, wanted, server.store)
        invariants.nothing_doubled(server.store) if scenario.meddle != "doubled" else None
        letters = [letter.to_json() for letter in dead_letters(bench.outbox, bench.at)]
        invariants.nothing_leaked(bench.database, said, str(letters))
        _converges(bench, wanted, scenario)
        logged.append(caplog.text)
        invariants.nothing_leaked(bench.database, said, *logged)


def _towards(fault: Any, port: int) -> Any:
    headers = {name: text.format(other=port) for name, text in fault.headers.items()}
    return type(fault)(fault.name, fault.on, fault.at, fault.after, fault.status, headers)


def _converges(bench: Bench, wanted: list[Mapped], scenario: Scenario) -> None:
    """I7, I3: without faults one more run reaches the end, and a further one does nothing."""
    expect, store = scenario.expect, bench.server.store
    bench.server.calm()
    again = bench.push(wanted)
    assert again.dead + again.parked == expect.remains
    if "*" not in expect.differs:
        invariants.nothing_stale(bench.outbox, bench.at, wanted, store, expect.differs)
    asked, commits = sum(bench.server.asked.values()), len(store.commits)
    bench.push(wanted)
    assert len(store.commits) == commits
    assert sum(bench.server.asked.values()) == asked or expect.remains
    if not expect.error and not scenario.meddle:
        most = max(len(held) for held in store.versions.values())
        assert most <= expect.versions, store.commits


def test_t01_a_server_that_is_down_and_comes_back(tmp_path: Path) -> None:
    with ScriptedServer() as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: it refuses
        bench = Bench(tmp_path, server)
        there = bench.transport
        down = Server("test", f"http://127.0.0.1:{closed.getsockname()[1]}/fhir")

        class Away(Transport):
            def exchange(self, *args: Any, **more: Any) -> Any:
                self.base_url = down.url if len(bench.waits) < 3 else server.url
                return super().exchange(*args, **more)

        bench.transport = lambda at: Away(at.url, timeout=0.2)  # type: ignore[method-assign]
        result = bench.push(study())
        assert result.created == len(study())
        assert len(bench.waits) == 3
        assert bench.waits[0] <= 0.25 < bench.waits[2] <= 1.0  # it waits longer each time
        bench.transport = there  # type: ignore[method-assign]
        assert bench.push(study()).requests == 0
        bench.close()


def test_t02_a_name_that_nobody_knows(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises(UnavailableError) as caught:
            bench.push(study())
    assert "waited 60 s" in caught.value.message
    known = bench.outbox.known(bench.outbox.server_id(bench.at))
    assert {change.state for change in known.values()} == {"new"}
    assert bench.push(study()).created == len(study())


def four_workers(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little to do for each of four workers, and those with nothing to do move no clock."""
    monkeypatch.setattr("adapter.outbox.run.CLAIM", (6, 6))
    moves = bench.sleep

    def sleep(seconds: float) -> None:
        time.sleep(0.001) if seconds == OTHERS_DELAY else moves(seconds)

    monkeypatch.setattr(bench, "sleep", sleep)


def test_s02_one_of_four_workers_knocks_while_the_server_is_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    four_workers(bench, monkeypatch)
    asked, knocks = list[str](), list[float]()

    class Away(Transport):
        def exchange(self, *args: Any, **more: Any) -> Any:
            asked.append(args[0])
            if len(asked) > 8 and bench.now < 30:
                knocks.append(bench.now)
                raise UnavailableError("the server cannot be reached")
            return super().exchange(*args, **more)

    monkeypatch.setattr(bench, "transport", lambda at: Away(at.url))
    assert bench.push(study(children=24), workers=4).created == len(study(children=24))
    assert 5 <= len(knocks) <= 14  # each for itself, they would knock twenty times


def test_s02_one_that_gives_up_gives_up_for_all(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    four_workers(bench, monkeypatch)
    bench.server.faults = (Fault("status", "any", range(8, 999), status=503),)
    with pytest.raises(UnavailableError, match="waited 60 s"):
        bench.push(study(children=24), workers=4)
    assert sum(bench.server.asked.values()) < 8 + 4 + 20
    # an answer that was on its way when another worker began to knock opens a new account
    assert 59.9 <= sum(bench.waits) < 2 * 60


def test_t13_a_bomb_is_not_unpacked(bench: Bench) -> None:
    bomb()
    bench.server.faults = (Fault("bomb", "metadata"),)
    tracemalloc.start()
    try:
        with closing(bench.transport(bench.at)) as transport, pytest.raises(StudyFhirError):
            transport.get("metadata")
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_s16_what_was_too_much_is_remembered(bench: Bench) -> None:
    bench.timeout = 30
    bench.server.quirks.most_entries = 5
    row = bench.outbox.server_id(bench.at)
    bench.push(study())
    assert int(bench.outbox.learnt(row)["max-entries"]) <= 5
    before = bench.server.asked["write"]
    bench.push(study(value=9.5))
    assert bench.server.asked["write"] == before + 1


def test_s16_what_was_too_much_to_read_is_read_in_halves(bench: Bench) -> None:
    bench.timeout = 30
    bench.server.quirks.most_entries = 5
    bench.push(study())
    learnt = bench.outbox.learnt(bench.outbox.server_id(bench.at))
    assert int(learnt["read-entries"]) <= 5
    assert "read" not in learnt
    bench.server.asked.clear()
    assert verify(bench.outbox, bench.at, transport_factory=bench.transport).missing == []
    assert (bench.server.asked["look"], bench.server.asked["get"]) == (3, 0)  # eleven, five at once


def test_s16_413_over_a_few_large_ones_is_about_bytes(bench: Bench) -> None:
    bench.server.quirks.most_bytes = 100_000
    wanted = study()
    for item in wanted:
        item.resource["language"] = "x" * 30_000
    bench.push(wanted)
    learnt = bench.outbox.learnt(bench.outbox.server_id(bench.at))
    assert 30_000 < int(learnt["max-bytes"]) < 300_000
    assert "max-entries" not in learnt


@pytest.mark.parametrize("status", [403, 404, 405, 415, 501])
@pytest.mark.parametrize("refused", [f"Organization/{name('o')}", CHANGED])
def test_s20_one_resource_refused_is_no_server_without_bundles(
    status: int, refused: str, bench: Bench
) -> None:
    bench.server.quirks.refused = {refused: status}
    done = bench.push(study(children=8))
    assert done.dead + done.parked > 0 or status == 405  # then the server gives the id
    assert "write" not in bench.outbox.learnt(bench.outbox.server_id(bench.at))
    bench.server.store.quirks.refused = {}
    bench.server.asked.clear()
    assert bench.push(study(value=9.5, children=8)).dead == 0
    assert bench.server.asked["put"] == 0


def test_s11_the_dead_letter_names_both(bench: Bench) -> None:
    bench.server.quirks.takes_ids = False
    wanted = meddled(bench, "doubled")
    bench.push(wanted)
    (letter,) = dead_letters(bench.outbox, bench.at)
    assert letter.reason.endswith("several match: Observation/one, Observation/two")


def test_s10_an_older_content_of_ours_is_found_and_updated(bench: Bench) -> None:
    bench.server.quirks.takes_ids = False
    old = next(item.resource for item in study() if item.reference == CHANGED)
    bench.server.store.versions["Observation/own-0"] = [{**old, "id": "own-0"}]
    wanted = study(value=7.5)
    assert bench.push(wanted).dead == 0
    invariants.nothing_doubled(bench.server.store)
    invariants.nothing_stale(bench.outbox, bench.at, wanted, bench.server.store, frozenset())


def test_s10_what_cannot_be_found_again_is_not_created(bench: Bench) -> None:
    bench.server.quirks.takes_ids = False
    event = Mapped({**study()[1].resource, "resourceType": "AdverseEvent"}, study()[1].subject)
    assert bench.push([event]).dead == 1
    assert bench.server.asked["create"] == 0
    assert "might stand twice" in dead_letters(bench.outbox, bench.at)[0].reason


def test_s21_a_server_that_drops_an_element_is_settled(bench: Bench) -> None:
    bench.server.quirks.drops = "note"

    def verified() -> VerifyResult:
        return verify(bench.outbox, bench.at, transport_factory=bench.transport)

    assert bench.push(study()).created == 11
    told = verified()
    assert (told.different, told.normalised, dict(told.normalises)) == (
        [], 6, {"Observation.note": 6},
    )  # fmt: skip
    assert bench.push(study()).requests == 0
    assert (verified().different, verified().normalised) == ([], 0)
    live = plan_live(bench.outbox, bench.at, study(), transport_factory=bench.transport)
    assert (live.unchanged, live.items) == (11, [])
    assert bench.push(study(value=9.5)).updated == 1  # a new version of ours is told of anew
    assert (verified().normalised, verified().normalised) == (1, 0)
    assert bench.push(study(value=9.5)).requests == 0
    held = bench.server.store.latest(CHANGED)
    assert held is not None
    bench.server.store.versions[CHANGED].append({**held, "status": "amended"})
    assert verified().different == [CHANGED]


def test_s20_what_is_only_read_is_not_sent(bench: Bench) -> None:
    bench.server.quirks.capability = READ_ONLY
    assert bench.push(study()).parked == 6
    assert {letter.state for letter in dead_letters(bench.outbox, bench.at)} == {"parked"}
    assert "CapabilityStatement" in dead_letters(bench.outbox, bench.at)[0].reason
    assert not any(name.startswith("Observation") for name in bench.server.store.versions)
    bench.server.quirks.capability = STATEMENT
    assert bench.push(study()).created == 6  # it says otherwise now


def test_s10_who_takes_no_bundles_is_believed_whatever_it_states(bench: Bench) -> None:
    row = bench.outbox.server_id(bench.at)
    bench.outbox.learn(row, "write", "single")
    lessons = Lessons(bench.outbox, row)
    lessons.consider(Capability(stated=True, bundles=frozenset({"batch"})))
    assert lessons.kind == "single"


def test_s16_slow_once_is_not_slow_for_ever(bench: Bench) -> None:
    bench.server.quirks.most_entries, bench.server.quirks.too_much = 3, 504
    bench.push(study())
    row = bench.outbox.server_id(bench.at)
    came_down_to = Lessons(bench.outbox, row).limits.entries
    assert came_down_to < 10
    bench.server.quirks.most_entries = 0
    bench.push(study(value=9.5))
    assert Lessons(bench.outbox, row).limits.entries > came_down_to


def test_s08_an_earlier_write_of_ours_that_lands_late_is_no_conflict(bench: Bench) -> None:
    bench.push(study(value=1.5))
    bench.server.asked.clear()
    bench.server.faults = (Fault("late", "write"), Fault("status", "any", range(2, 99), status=503))
    with pytest.raises(UnavailableError):
        bench.push(study(value=2.5))
    bench.server.faults = ()
    assert bench.push(study(value=3.5)).dead == 0
    held = [each["valueQuantity"]["value"] for each in bench.server.store.versions[CHANGED] if each]
    assert held == [1.5, 2.5, 3.5]


def lost_on_its_way(bench: Bench, value: float, looks: int) -> list[Callable[[], Any]]:
    """A push of which a write is late, and after so many reads none is answered any more.

    Returns what will arrive one day.
    """
    bench.server.asked.clear()
    away = Fault("status", "look", range(looks + 1, 999), status=503)
    bench.server.faults = (Fault("late", "write"), away)
    with pytest.raises(UnavailableError):
        bench.push(study(value=value))
    bench.server.faults = ()
    late, bench.server.late = bench.server.late, []
    assert late
    return late


@pytest.mark.parametrize("ignores_versions", [False, True])
@pytest.mark.parametrize("first", [True, False])
def test_s08_an_old_write_that_lands_after_the_new_one_is_undone(
    bench: Bench, ignores_versions: bool, first: bool
) -> None:
    bench.server.quirks.ignores_versions = ignores_versions
    if not first:
        bench.push(study(value=0.5))
    late = lost_on_its_way(bench, 1.5, looks=int(first))
    bench.push(study(value=2.5))
    for commit in late:
        commit()
    bench.push(study(value=2.5))  # it looks once more at what may have been overtaken
    invariants.nothing_stale(
        bench.outbox, bench.at, study(value=2.5), bench.server.store, frozenset()
    )
    assert bench.push(study(value=2.5)).requests == 0


def test_s09_what_others_changed_is_read_before_it_is_written_over(bench: Bench) -> None:
    bench.server.quirks.ignores_versions = True
    row = bench.outbox.server_id(bench.at)
    bench.outbox.learn(row, "probe:if-match-stale", "no")
    wanted = meddled(bench, "changed")
    for _ in range(2):
        assert bench.push(wanted).dead == 1
    held = bench.server.store.latest(CHANGED)
    assert held is not None
    assert held["status"] == "amended"


def test_s07_who_retries_a_conflict_writes_over_it(bench: Bench) -> None:
    wanted = meddled(bench, "changed")
    assert bench.push(wanted).dead == 1
    assert bench.push(wanted).dead == 1
    retry(bench.outbox, bench.at, (CHANGED,))
    assert bench.push(wanted).dead == 0
    held = bench.server.store.latest(CHANGED)
    assert held is not None
    assert held["status"] == "final"


@pytest.mark.parametrize(
    ("point", "number"),
    # the first that is on its way is the site; the second are two children whole
    [*((point, 1) for point in POINTS), ("sent-after", 2), ("request-before", 4),
     ("request-after", 3), ("request-after", 4), ("acknowledge-after", 4)],
)  # fmt: skip
def test_c01_killed_at_any_point(point: str, number: int, tmp_path: Path) -> None:
    database = tmp_path / "o.sqlite"
    with ScriptedServer() as server:
        words = [sys.executable, str(Path(child.__file__)), str(database), server.url, "1.5", "4"]
        died = subprocess.run([*words, point, str(number)], check=False, timeout=60)  # noqa: S603
        assert died.returncode == -signal.SIGKILL
        bench = Bench(tmp_path, server)
        wanted = study(children=4)
        row = bench.outbox.server_id(bench.at)
        known = bench.outbox.known(row)
        assert len(known) in (0, len(wanted))  # all of it is accepted, or nothing
        for reference, change in known.items():
            assert change.state != "done" or server.store.latest(reference)
        bench.push(wanted)
        assert [len(held) for held in server.store.versions.values()] == [1] * len(wanted)
        invariants.nothing_stale(bench.outbox, bench.at, wanted, server.store, frozenset())
        assert bench.push(wanted).requests == 0
        bench.close()


def test_c12_the_same_study_in_another_order_and_in_parts_changes_nothing(bench: Bench) -> None:
    bench.push(study())
    assert bench.push(study()[::-1]).requests == 0
    assert bench.push(study()[:4]).requests == 0
    assert bench.push(study()[4:]).requests == 0


def test_c04_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    database = tmp_path / "o.sqlite"
    with ScriptedServer() as server:
        bench = Bench(tmp_path, server)
        bench.push(study())
        bench.close()
        words = [sys.executable, str(Path(child.__file__)), str(database), server.url, "9", "20"]
        limit = 'ulimit -f 16; exec "$@"'  # kB: the new study does not fit
        full = subprocess.run(  # noqa: S603
            ["/bin/bash", "-c", limit, "full", *words], check=False, timeout=60,
            preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
        )  # fmt: skip
        assert full.returncode != 0
        bench = Bench(tmp_path, server)
        assert bench.push(study()).requests == 0
        assert bench.push(study(value=9, children=20)).dead == 0
        bench.close()
