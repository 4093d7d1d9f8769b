"""Several processes share the work of a push, and none writes what is another's by now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapter.demo.server import EmbeddedServer
from adapter.mapped import Mapped
from adapter.outbox import Outbox, Server, push, verify
from adapter.outbox.leases import LEASE, LeaseLostError, is_gone, this_process
from adapter.outbox.pushing import enqueue
from adapter.outbox.tables import metadata
from tests.outbox.conftest import open_outbox

Open = Callable[[str], Outbox]


class Clock:
    """Seconds that only the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Open, Clock]]:
    """Opens one and the same outbox for several owners, on each database."""
    at: Path | str = tmp_path / "o.sqlite"
    if request.param == "postgresql":
        at = request.getfixturevalue("postgresql")
        engine = sa.create_engine(at)
        metadata.drop_all(engine)
        engine.dispose()
    clock = Clock()
    every: list[Outbox] = []

    def open_as(owner: str) -> Outbox:
        outbox = Outbox.open(at, study="S", release="R4", key_fingerprint="k", clock=clock)
        outbox.leases.owner = owner
        every.append(outbox)
        return outbox

    yield open_as, clock
    for outbox in every:
        outbox.__exit__(None, None, None)


SERVER = Server("test", "http://127.0.0.1:1/fhir")


def wanted(*subjects: str) -> list[Mapped]:
    """A Patient for each subject."""
    return [Mapped({"resourceType": "Patient", "id": name}, name) for name in subjects]


def test_what_one_process_holds_another_does_not_get(opened: tuple[Open, Clock]) -> None:
    open_as, _ = opened
    one, other = open_as("host/b/1/1"), open_as("elsewhere/b/2/2")
    row = one.server_id(SERVER)
    enqueue(one, row, wanted("a", "b", "c"))
    first = one.claim(row, 2)
    second = other.claim(row, 1)
    assert [lease.subject for lease, _ in first] == ["a", "b"]
    assert [lease.subject for lease, _ in second] == ["c"]
    assert other.leases.taken(row) == {"a": "host/b/1/1", "b": "host/b/1/1"}


def test_of_two_who_want_one_subject_in_the_same_moment_one_gets_it(
    opened: tuple[Open, Clock],
) -> None:
    open_as, clock = opened
    one, other = open_as("host/b/1/1"), open_as("elsewhere/b/2/2")
    row = one.server_id(SERVER)
    [mine] = one.leases.claim(row, ["a"])
    assert [lease.subject for lease in other.leases.claim(row, ["a", "b"])] == ["b"]
    assert other.leases.claim(row, ["a"]) == []
    clock.now += LEASE - 1
    assert other.leases.claim(row, ["a"]) == []
    one.leases.release([mine])
    [theirs] = other.leases.claim(row, ["a"])
    assert theirs.fence == mine.fence + 1
    assert one.leases.claim(row, ["a"]) == []


def test_a_subject_is_never_split_between_two(opened: tuple[Open, Clock]) -> None:
    open_as, _ = opened
    one, other = open_as("host/b/1/1"), open_as("elsewhere/b/2/2")
    row = one.server_id(SERVER)
    twenty = [Mapped({"resourceType": "Basic", "id": f"{n}"}, "a") for n in range(20)]
    enqueue(one, row, twenty)
    assert [len(changes) for _, changes in one.claim(row, 5)] == [20]
    assert other.claim(row, 5) == []


def test_who_sleeps_past_the_lease_writes_nothing_any_more(opened: tuple[Open, Clock]) -> None:
    open_as, clock = opened
    sleeper, other = open_as("host/b/1/1"), open_as("elsewhere/b/2/2")
    row = sleeper.server_id(SERVER)
    enqueue(sleeper, row, wanted("a"))
    [(lease, [mine])] = sleeper.claim(row, 10)
    sleeper.mark_sent([mine], [lease])
    clock.now += LEASE + 1
    [(taken, [theirs])] = other.claim(row, 10)
    assert taken.fence > lease.fence
    assert theirs.state == "sent"  # so it is looked at first
    mine.state, mine.acked_hash = "done", "stale"
    with pytest.raises(LeaseLostError):
        sleeper.mark(row, [mine], [lease])
    assert other.known(row)["Patient/a"].acked_hash is None


def test_what_was_on_its_way_is_known_to_the_next_owner(opened: tuple[Open, Clock]) -> None:
    open_as, clock = opened
    gone, other = open_as("host/b/1/1"), open_as("elsewhere/b/2/2")
    row = gone.server_id(SERVER)
    also = Mapped({"resourceType": "Basic", "id": "a"}, "a")
    enqueue(gone, row, [*wanted("a", "b"), also])
    leases, changes = zip(*gone.claim(row, 10), strict=True)
    gone.mark_sent(changes[0], leases)
    later = Mapped({"resourceType": "Patient", "id": "a", "active": True}, "a")
    enqueue(other, row, [later])
    clock.now += LEASE + 1
    [(_, [basic, patient]), (_, [idle])] = other.claim(row, 10)
    assert (basic.state, basic.in_flight.split()) == ("sent", [also.digest])
    assert (patient.state, patient.in_flight.split()) == ("sent", [changes[0][1].hash])
    assert patient.hash == later.digest != changes[0][1].hash
    assert (idle.state, idle.in_flight) == ("new", "")


def test_content_that_changed_while_another_was_on_its_way_is_sent_too(
    opened: tuple[Open, Clock],
) -> None:
    open_as, _ = opened
    one, other = open_as("host/b/1/1"), open_as("elsewhere/b/2/2")
    row = one.server_id(SERVER)
    enqueue(one, row, wanted("a"))
    [(lease, [first])] = one.claim(row, 10)
    one.mark_sent([first], [lease])
    later = Mapped({"resourceType": "Patient", "id": "a", "active": True}, "a")
    enqueue(other, row, [later])
    first.state, first.acked_hash, first.version = "done", first.hash, "1"
    one.mark(row, [first], [lease])
    one.leases.release([lease])
    [(_, [second])] = other.claim(row, 10)
    assert (second.state, second.hash, second.version) == ("new", later.digest, "1")


def test_work_renews_the_lease(opened: tuple[Open, Clock]) -> None:
    open_as, clock = opened
    one, other = open_as("host/b/1/1"), open_as("elsewhere/b/2/2")
    row = one.server_id(SERVER)
    enqueue(one, row, wanted("a"))
    [(lease, changes)] = one.claim(row, 10)
    for _ in range(3):
        clock.now += LEASE - 1
        one.mark(row, changes, [lease])
    assert other.claim(row, 10) == []
    one.leases.release([lease])
    assert len(other.claim(row, 10)) == 1


def test_what_a_killed_process_held_is_free_at_once(opened: tuple[Open, Clock]) -> None:
    open_as, _ = opened
    host, boot, _, _ = this_process().split("/")
    killed, next_one = open_as(f"{host}/{boot}/4194304/1"), open_as(this_process())
    row = killed.server_id(SERVER)
    enqueue(killed, row, wanted("a"))
    assert len(killed.claim(row, 10)) == 1
    assert len(next_one.claim(row, 10)) == 1


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({}, False),
        ({3: "0"}, True),  # the process id belongs to another process by now
        ({1: "another-boot"}, True),
        ({0: "another-host"}, False),  # who can tell
    ],
)
def test_which_owners_are_no_more(change: dict[int, str], gone: bool) -> None:
    parts = this_process().split("/")
    for place, text in change.items():
        parts[place] = text
    assert is_gone("/".join(parts)) is gone


def test_the_study_comes_before_its_subjects_and_lists_come_last(
    opened: tuple[Open, Clock],
) -> None:
    open_as, _ = opened
    one, other = open_as("host/b/1/1"), open_as("elsewhere/b/2/2")
    row = one.server_id(SERVER)
    cohort = Mapped({"resourceType": "Group", "id": "g", "member": [{}]}, "")
    study = Mapped({"resourceType": "ResearchStudy", "id": "s"}, "")
    enqueue(one, row, [cohort, *wanted("a"), study])
    order = []
    while claimed := one.claim(row, 100):
        assert other.claim(row, 100) == []
        for lease, changes in claimed:
            order += [change.reference for change in changes]
            for change in changes:
                change.state = "done"
            one.mark(row, changes, [lease])
            one.leases.release([lease])
    assert order == ["ResearchStudy/s", "Patient/a", "Group/g"]


def test_two_pushes_at_once_send_everything_once(
    server: EmbeddedServer, folder: Path, mapped: list[Mapped]
) -> None:
    target = Server("test", server.url)
    created: list[int] = []

    def run(owner: str) -> None:
        with open_outbox(folder) as outbox:
            outbox.leases.owner = f"elsewhere/b/{owner}/1"
            created.append(push(outbox, target, mapped).created)

    threads = [threading.Thread(target=run, args=(str(n),)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(created) == len(mapped)
    with open_outbox(folder) as outbox:
        found = verify(outbox, target)
        assert (found.checked, found.missing, found.different) == (len(mapped), [], [])
