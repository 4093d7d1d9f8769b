"""The bench of the fault tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.bench import Bench
from tests.faults.server import ScriptedServer


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ScriptedServer() as server:
        found = Bench(tmp_path, server)
        yield found
        found.close()
