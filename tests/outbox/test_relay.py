"""What is written a second time, and what is not: we look before we send again."""

from __future__ import annotations

from collections import Counter

import pytest

from adapter.fhir.transport import Answer, Transport
from tests.faults.bench import Bench, meddled
from tests.faults.faults import Fault
from tests.faults.scenarios import stating
from tests.faults.study import CHANGED, study

TYPES = ("Organization", "Patient", "Observation", "Group")
INTERACTIONS = [{"code": code} for code in ("create", "update", "search-type")]


@pytest.mark.parametrize("stale", [409, 412])
@pytest.mark.parametrize("no_bundles", [0, 403], ids=["in bundles", "one by one"])
def test_what_the_server_has_already_is_not_written_again_after_a_conflict(
    bench: Bench, stale: int, no_bundles: int
) -> None:
    bench.timeout = 30
    bench.server.quirks.stale, bench.server.quirks.no_bundles = stale, no_bundles
    wanted = meddled(bench, "ours")
    result = bench.push(wanted)
    assert (result.writes, result.dead) == (0, 0)
    assert bench.server.asked["put" if no_bundles else "write"] == 1
    assert len(bench.server.store.versions[CHANGED]) == 2
    assert bench.push(wanted).requests == 0


@pytest.mark.parametrize("how", ["reset", "cut-headers", "cut-body"])
def test_a_first_write_that_broke_off_is_looked_for_even_where_the_server_held_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    bench.server.quirks.capability = stating(
        *({"type": kind, "interaction": INTERACTIONS} for kind in TYPES)
    )
    bench.server.faults = (Fault(how, "write", after=True),)

    class Empty(Transport):
        """A server that finds nothing, as long as it holds nothing."""

        def get(self, path: str) -> Answer:
            if not path.endswith("?_count=1"):
                return super().get(path)
            kind = path.partition("?")[0]
            assert not any(place.startswith(kind) for place in bench.server.store.versions)
            return Answer(200, {}, {"resourceType": "Bundle", "type": "searchset", "total": 0})

    monkeypatch.setattr(bench, "transport", lambda at: Empty(at.url))
    result = bench.push(study())
    assert bench.server.asked["look"] == 1  # only what was on its way
    assert Counter(bench.server.store.commits) == Counter(each.reference for each in study())
    assert result.writes + result.unchanged == len(study())
