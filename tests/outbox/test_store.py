"""What the outbox writes down is whole: all of a study or nothing, and every write's outcome."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from adapter.outbox import bulk
from adapter.outbox.leases import LeaseLostError
from adapter.outbox.pushing import enqueue
from tests.faults.bench import Bench
from tests.faults.faults import Fault
from tests.faults.study import CHANGED, name, study


def test_a_study_that_cannot_be_kept_whole_is_not_kept_at_all(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = bench.outbox.server_id(bench.at)
    kept: list[int] = []

    def full(db: Any, statement: Any, rows: Any) -> int:
        if kept:
            raise OSError("no space left on the disk")
        kept.append(bulk.execute_many(db, statement, rows))
        return kept[0]

    with monkeypatch.context() as patched:
        patched.setattr("adapter.outbox.store.CHUNK", 4)
        patched.setattr("adapter.outbox.store.execute_many", full)
        with pytest.raises(OSError, match="no space"):
            enqueue(bench.outbox, row, study())
    assert kept == [4]
    assert bench.outbox.known(row) == {}
    assert bench.push(study()).created == len(study())


def attempts(bench: Bench) -> list[tuple[Any, ...]]:
    """What is written down of each write that was sent, in order."""
    with closing(sqlite3.connect(bench.database)) as db:
        query = "SELECT entries, outcome, proven, status FROM attempt ORDER BY id"
        return db.execute(query).fetchall()


def test_every_write_that_was_sent_is_written_down_with_what_came_of_it(bench: Bench) -> None:
    bench.timeout = 30
    wanted, results = study(), 9  # three children with two results each
    bench.push(wanted)
    # the site, the children, and the list of them
    assert attempts(bench) == [(1, "done", 1, None), (results, "done", results, None),
                               (1, "done", 1, None)]  # fmt: skip
    bench.push(wanted)
    assert len(attempts(bench)) == 3  # nothing was sent


def test_what_was_refused_or_not_answered_is_written_down_too(bench: Bench) -> None:
    bench.timeout = 30
    bench.push(study())
    before = len(attempts(bench))
    bench.server.faults = (Fault("status", "write", range(4, 5), status=503),)
    bench.server.quirks.refused = {CHANGED: 422}
    bench.push(study(value=2.5))
    assert attempts(bench)[before:] == [(1, "unknown", 0, None), (1, "refused", 0, 422)]
    known = bench.outbox.known(bench.outbox.server_id(bench.at))
    assert known[CHANGED].state == "dead"


@pytest.mark.parametrize("wanted_again", [False, True])
def test_who_withdraws_before_the_answer_is_written_down_is_deleted_all_the_same(
    bench: Bench, wanted_again: bool
) -> None:
    row = bench.outbox.server_id(bench.at)
    enqueue(bench.outbox, row, [each for each in study() if each.subject])
    leases, changes = zip(*bench.outbox.claim(row, 100), strict=True)
    every = [change for each in changes for change in each]
    bench.outbox.mark_sent(every, leases)
    gone = name("a")
    bench.outbox.withdraw(row, gone, [])
    if wanted_again:  # as a process would that had looked before
        with closing(sqlite3.connect(bench.database)) as db, db:
            statement = "UPDATE change SET action = 'put', state = 'new' WHERE subject = ?"
            db.execute(statement, (gone,))
    for change in every:
        change.state, change.acked_hash, change.version = "done", change.hash, "1"
    with pytest.raises(LeaseLostError, match="withdrawn"):
        bench.outbox.mark(row, every, leases)
    held = bench.outbox.known(row)
    theirs = [change for change in held.values() if change.subject == gone]
    assert {(c.action, c.state, c.acked_hash) for c in theirs} == {("delete", "new", None)}
    others = [change for change in held.values() if change.subject != gone]
    assert {(c.action, c.state) for c in others} == {("put", "done")}  # they were answered as well
