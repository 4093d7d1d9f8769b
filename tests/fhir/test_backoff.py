"""Many who wait for one server do not all come back in the same moment."""

from __future__ import annotations

import pytest

from adapter.fhir.backoff import FIRST_DELAY, LONGEST_DELAY, backoff


@pytest.mark.parametrize(
    ("number", "longest"),
    [(0, FIRST_DELAY), (1, 2 * FIRST_DELAY), (3, 8 * FIRST_DELAY), (6, LONGEST_DELAY),
     (10_000, LONGEST_DELAY)],
)  # fmt: skip
def test_each_waits_its_own_time_and_at_least_half_of_the_whole(
    number: int, longest: float
) -> None:
    waits = [backoff(number) for _ in range(200)]
    assert longest / 2 <= min(waits) < 0.7 * longest
    assert 0.8 * longest < max(waits) <= longest
    assert len(set(waits)) > 100
