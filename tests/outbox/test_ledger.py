"""Every run stands in the ledger, and nobody can rewrite it unseen."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapter.demo.server import EmbeddedServer
from adapter.mapped import Mapped
from adapter.outbox import Outbox, Server, ledger, push, retract, status, verify
from adapter.outbox.tables import metadata
from tests.outbox.conftest import open_outbox


def lines(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / ".study-fhir" / "o.sqlite")) as db:
        return [row[0] for row in db.execute("SELECT line FROM ledger ORDER BY id")]


def edit(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / ".study-fhir" / "o.sqlite")) as db:
        db.execute(statement)
        db.commit()


@pytest.fixture
def three_runs(server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped], folder: Path) -> Path:
    """A push, a withdrawal and a look, on record."""
    target = Server("test", server.url)
    push(outbox, target, mapped)
    retract(outbox, target, next(m.subject for m in mapped if m.subject))
    verify(outbox, target)
    return folder


def test_every_run_has_its_line_without_values(three_runs: Path) -> None:
    said = lines(three_runs)
    assert [kind for line in said for kind in ("push", "retract", "verify") if f'"{kind}"' in line]
    assert sum('"ended"' in line for line in said) == 3
    assert "CANARY" not in "".join(said)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET line = replace(line, 'push', 'pull') WHERE id = 2",
        "DELETE FROM ledger WHERE id = 2",
        "UPDATE ledger SET hash = hex(zeroblob(32)) WHERE id = 3",
    ],
)
def test_a_line_that_was_touched_is_found(three_runs: Path, statement: str) -> None:
    with open_outbox(three_runs) as outbox:
        assert status(outbox)["ledger"]["broken"] is None
    edit(three_runs, statement)
    with open_outbox(three_runs) as outbox:
        assert status(outbox)["ledger"]["broken"] in (2, 3)


def test_two_who_write_a_line_at_once_keep_the_chain(postgresql: str) -> None:
    engine = sa.create_engine(postgresql)
    metadata.drop_all(engine)
    metadata.create_all(engine)

    def other() -> None:
        with engine.begin() as db:
            ledger.append(db, said="second")

    with engine.begin() as db:
        ledger.append(db, said="first")
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.1)  # it waits for the line before its own
    thread.join(30)
    with engine.begin() as db:
        assert ledger.last(db)[0] == 2
        assert ledger.first_broken(db) is None
    metadata.drop_all(engine)
    engine.dispose()
