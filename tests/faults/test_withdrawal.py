"""A child is withdrawn while a write of its data is still on its way."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.errors import UnavailableError
from adapter.outbox import retract
from tests.faults.faults import Fault
from tests.faults.quirks import Quirks
from tests.faults.server import ScriptedServer
from tests.faults.study import CHANGED, name, study
from tests.faults.test_matrix import Bench

AWAY = (Fault("late", "write"), Fault("status", "any", range(2, 99), status=503))


@pytest.mark.parametrize("ignores_versions", [False, True])
def test_d04_a_write_that_lands_after_the_withdrawal_is_found_and_removed(
    tmp_path: Path, ignores_versions: bool
) -> None:
    with ScriptedServer(quirks=Quirks(ignores_versions=ignores_versions)) as server:
        bench = Bench(tmp_path, server)
        bench.push(study())
        server.asked.clear()
        server.faults = AWAY
        with pytest.raises(UnavailableError):
            bench.push(study(value=2.5))
        server.faults = ()
        (late,), server.late = server.late, []
        assert retract(bench.outbox, bench.at, name("a")).is_proven
        late()
        assert (server.store.latest(CHANGED) is not None) == ignores_versions
        again = retract(bench.outbox, bench.at, name("a"))
        assert again.is_proven
        assert server.store.latest(CHANGED) is None
        assert bench.push(study(value=2.5)).writes == 0
        bench.close()
