"""A child is withdrawn while a write of its data is still on its way."""

from __future__ import annotations

import copy
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import UnavailableError
from adapter.fhir.transport import Answer, Transport
from adapter.mapped import Mapped
from adapter.outbox import Outbox, Retraction, push, retract
from adapter.outbox.changes import Change
from adapter.outbox.pushing import enqueue
from tests.faults.bench import Bench
from tests.faults.faults import Fault
from tests.faults.quirks import Quirks
from tests.faults.server import ScriptedServer
from tests.faults.study import CHANGED, name, study

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


class Meanwhile(Transport):
    """A connection on which something happens just before the first write goes out."""

    def __init__(self, url: str, happens: Callable[[], None]):
        super().__init__(url)
        self.happens = happens

    def post(self, bundle: dict[str, Any]) -> Answer:
        if any(entry["request"]["method"] == "PUT" for entry in bundle["entry"]):
            happens, self.happens = self.happens, lambda: None
            happens()
        return super().post(bundle)


def changed() -> list[Mapped]:
    """The study, with something new in every resource."""
    wanted = study(value=7)
    for item in wanted:
        item.resource["language"] = "en"
    return wanted


def elsewhere(folder: Path) -> Outbox:
    """The same outbox, opened by another owner."""
    opened = Outbox.open(folder / "o.sqlite", study="T", release="R4", key_fingerprint="k")
    opened.leases.owner = "elsewhere/b/1/1"
    return opened


@pytest.mark.parametrize("sees_it", ["as it is sent", "as it is claimed"])
def test_d03_what_another_process_holds_is_deleted_all_the_same(
    tmp_path: Path, sees_it: str
) -> None:
    with ScriptedServer() as server, elsewhere(tmp_path) as other:
        bench = Bench(tmp_path, server)
        bench.push(study())
        row = bench.outbox.server_id(bench.at)
        bench.outbox.learn(row, "max-entries", "1")  # it has more to send afterwards
        threads: list[threading.Thread] = []
        proofs: list[Retraction] = []
        began: list[int] = []

        def withdraw() -> None:
            """The family withdraws now; who deletes waits for the one who still holds the child."""
            threads.append(threading.Thread(target=lambda: proofs.append(
                retract(bench.outbox, bench.at, name("a"), clock=time.monotonic, wait=30))
            ))  # fmt: skip
            threads[0].start()
            while name("a") not in other.withdrawn(row):
                time.sleep(0.01)
            began.append(len(server.store.commits))

        mine = [item for item in changed() if item.subject == name("a")]
        if sees_it == "as it is claimed":
            claim, other_claim = withdraw, other.claim

            def claimed(*given: Any) -> Any:
                found = other_claim(*given)
                if found and not threads:
                    claim()
                return found

            other.claim = claimed  # type: ignore[method-assign]
            push(other, bench.at, mine, transport_factory=lambda at: Transport(at.url))
        else:
            push(other, bench.at, mine,
                 transport_factory=lambda at: Meanwhile(at.url, withdraw))  # fmt: skip
        threads[0].join(30)
        assert [proof.is_proven for proof in proofs] == [True]
        after = server.store.commits[began[0] :]
        on_its_way = [
            place for place in after if not place.startswith("-") and name("a")[:9] in place
        ]
        assert len(on_its_way) == (sees_it == "as it is sent")  # that one was out already
        theirs = [item.reference for item in mine]
        assert {server.store.latest(place) for place in theirs} == {None}
        left = bench.outbox.of_subject(row, name("a"))
        assert {(change.action, change.state) for change in left} == {("delete", "withdrawn")}
        assert bench.push(changed()).dead == 0
        assert {server.store.latest(place) for place in theirs} == {None}
        bench.close()


def test_d03_a_deletion_is_not_done_by_what_was_sent_before(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        bench = Bench(tmp_path, server)
        enqueue(bench.outbox, row := bench.outbox.server_id(bench.at), study())
        [(_, [change])] = bench.outbox.claim(row, 1)
        bench.outbox.enqueue(row, [deletion(change)])
        change.action, change.state, change.acked_hash = "put", "done", change.hash
        bench.outbox.mark(row, [change])
        held = bench.outbox.known(row)[change.reference]
        assert (held.action, held.state) == ("delete", "new")
        bench.close()


def deletion(change: Change) -> Change:
    """The same resource, to be deleted."""
    gone = copy.copy(change)
    gone.action, gone.state = "delete", "new"
    return gone


def test_d03_what_is_wanted_again_while_it_is_deleted_keeps_its_content(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        bench = Bench(tmp_path, server)
        enqueue(bench.outbox, row := bench.outbox.server_id(bench.at), study())
        [(_, [change])] = bench.outbox.claim(row, 1)
        gone = deletion(change)
        gone.state, gone.acked_hash = "withdrawn", None
        bench.outbox.mark(row, [gone])
        held = next(c for c in bench.outbox.of_subject(row, "") if c.reference == change.reference)
        assert (held.state, held.content) == ("new", change.content)
        bench.close()


def test_d03_what_was_wanted_in_the_moment_of_the_withdrawal_is_turned_back(
    tmp_path: Path,
) -> None:
    with ScriptedServer() as server:
        bench = Bench(tmp_path, server)
        bench.push(study())
        row = bench.outbox.server_id(bench.at)
        assert retract(bench.outbox, bench.at, name("a")).is_proven
        with sqlite3.connect(bench.database) as db:  # as a process that had looked before would
            db.execute("UPDATE change SET action = 'put', state = 'new' WHERE subject = ?",
                       (name("a"),))  # fmt: skip
        db.close()
        bench.push(study())
        left = bench.outbox.of_subject(row, name("a"))
        assert {(change.action, change.state) for change in left} == {("delete", "withdrawn")}
        assert server.store.latest(CHANGED) is None
        bench.close()
