"""How large the next Bundle may be, after what a server did with the one before."""

from __future__ import annotations

import pytest

from adapter.fhir.bundles import MAX_ENTRIES
from adapter.fhir.capability import Capability
from adapter.outbox import Outbox, Server
from adapter.outbox.lessons import QUICK, Lessons

AT_ONCE = QUICK / 10


def lessons(outbox: Outbox) -> Lessons:
    return Lessons(outbox, outbox.server_id(Server("test", "http://127.0.0.1:1/fhir")))


def test_a_quick_server_is_given_more_at_once_in_this_run(outbox: Outbox) -> None:
    first = lessons(outbox)
    given = []
    for entries in (180, 390, 790, 800):
        first.bundle_taken(entries, AT_ONCE)
        given.append(first.limits.entries)
    assert given == [400, 800, 800, 800]
    assert lessons(outbox).limits.entries == MAX_ENTRIES


@pytest.mark.parametrize(("entries", "seconds"), [(180, 2 * QUICK), (20, AT_ONCE)])
def test_a_slow_one_is_not_nor_one_that_was_given_little(
    outbox: Outbox, entries: int, seconds: float
) -> None:
    first = lessons(outbox)
    first.bundle_taken(entries, seconds)
    assert first.limits.entries == MAX_ENTRIES


def test_what_was_too_much_is_not_tried_again(outbox: Outbox) -> None:
    first = lessons(outbox)
    first.bundle_taken(MAX_ENTRIES, AT_ONCE)
    first.too_much(2 * MAX_ENTRIES, 500_000, 400)
    first.bundle_taken(MAX_ENTRIES, AT_ONCE)
    later = lessons(outbox)
    later.bundle_taken(MAX_ENTRIES, AT_ONCE)
    assert first.limits.entries == later.limits.entries == MAX_ENTRIES


def test_what_was_too_slow_is_not_tried_again_in_this_run(outbox: Outbox) -> None:
    first = lessons(outbox)
    first.bundle_taken(MAX_ENTRIES, AT_ONCE)
    first.too_slow(2 * MAX_ENTRIES)
    first.bundle_taken(MAX_ENTRIES, AT_ONCE)
    assert first.limits.entries == MAX_ENTRIES


def test_a_run_begins_with_twice_what_the_one_before_came_down_to_and_looking_changes_nothing(
    outbox: Outbox,
) -> None:
    lessons(outbox).too_slow(20)
    for _ in range(3):  # as `doctor` does
        lessons(outbox).consider(Capability())
    assert lessons(outbox).limits.entries == 10
    lessons(outbox).begin_run()
    assert lessons(outbox).limits.entries == 20
