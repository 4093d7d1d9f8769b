"""An outbox file survives a power cut: each connection to it waits for the disk."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from adapter.outbox.engine import sqlite

FULL = 2  # https://sqlite.org/pragma.html#pragma_synchronous


def in_a_hurry(connection: Any, _record: Any) -> None:
    """As an SQLite that was built to wait for no disk unless it is told to."""
    connection.execute("PRAGMA synchronous=OFF")


@pytest.mark.parametrize("before", ["wal", "delete"])
def test_every_connection_writes_ahead_and_waits_for_the_disk(tmp_path: Path, before: str) -> None:
    file = tmp_path / "o.sqlite"
    with closing(sqlite3.connect(file)) as db:
        db.execute(f"PRAGMA journal_mode={before}")
        db.execute("CREATE TABLE t (a)")
    engine = sqlite(file)
    sa.event.listen(engine, "connect", in_a_hurry, insert=True)
    with ExitStack() as opened:
        opened.callback(engine.dispose)
        for _ in range(3):
            db = opened.enter_context(engine.connect().execution_options(reading=True))
            found = [
                db.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("synchronous", "journal_mode", "foreign_keys")
            ]
            assert found == [FULL, "wal", 1]
