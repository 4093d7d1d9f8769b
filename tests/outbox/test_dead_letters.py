"""What a server refused can be looked at, tried again and given up."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from adapter.demo.server import EmbeddedServer
from adapter.errors import UsageError
from adapter.mapped import Mapped
from adapter.outbox import Outbox, Server, dead_letter, dead_letters, drop, push, retry
from tests.faults.bench import Bench, meddled
from tests.faults.invariants import nothing_leaked
from tests.faults.study import CANARY, CHANGED, study
from tests.outbox.conftest import copied


@pytest.fixture
def refused(server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]) -> list[Mapped]:
    """The small study with an Observation that the server refuses, pushed."""
    bad = copied(mapped)
    next(m for m in bad if m.resource["resourceType"] == "Observation").resource["shoe"] = "CANARY"
    assert push(outbox, Server("test", server.url), bad).dead == 1
    return bad


def test_a_dead_letter_says_why_and_shows_values_only_when_asked(
    server: EmbeddedServer, outbox: Outbox, refused: list[Mapped]
) -> None:
    target = Server("test", server.url)
    [letter] = dead_letters(outbox, target)
    assert letter.reference in {m.reference for m in refused}
    assert letter.reason.startswith("refused: HTTP 4")
    assert "CANARY" not in str(letter.to_json())
    shown = dead_letter(outbox, target, letter.reference).to_json(with_values=True)
    assert "CANARY" in str(shown)


def test_one_that_is_wanted_again_is_sent_again(
    server: EmbeddedServer, outbox: Outbox, refused: list[Mapped], mapped: list[Mapped]
) -> None:
    target = Server("test", server.url)
    assert retry(outbox, target, ()) == 1
    assert dead_letters(outbox, target) == []
    assert push(outbox, target, mapped).created == 1  # mended at its source
    assert refused


def test_one_that_is_given_up_is_sent_when_its_content_changes(
    server: EmbeddedServer, outbox: Outbox, refused: list[Mapped], mapped: list[Mapped]
) -> None:
    target = Server("test", server.url)
    [letter] = dead_letters(outbox, target)
    drop(outbox, target, letter.reference, "the device was broken")
    assert push(outbox, target, refused).dead == 0
    assert push(outbox, target, mapped).created == 1


def test_names_that_nobody_has_are_refused(
    server: EmbeddedServer, outbox: Outbox, refused: list[Mapped]
) -> None:
    target = Server("test", server.url)
    with pytest.raises(UsageError, match="no dead letter"):
        retry(outbox, target, ("Observation/x",))
    with pytest.raises(UsageError, match="with a reason"):
        drop(outbox, target, refused[0].reference, " ")


def test_who_writes_over_somebody_elses_change_stands_in_the_ledger(bench: Bench) -> None:
    assert bench.push(meddled(bench, "changed")).dead == 1
    retry(bench.outbox, bench.at, ())
    with closing(sqlite3.connect(bench.database)) as db:
        said = [line for (line,) in db.execute("SELECT line FROM ledger") if "retried" in line]
    assert len(said) == 1
    assert f'"overwriting":["{CHANGED}"]' in said[0]
    assert bench.outbox.status()["ledger"]["broken"] is None


PROFILE = {
    "severity": "error",
    "code": "processing",
    "expression": ["Observation.meta.profile[0]"],
    "diagnostics": f"Profile reference '{CANARY}' has not been checked because it is unknown",
}


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("entries", [False, True])
def test_the_answer_is_kept_until_it_is_settled(bench: Bench, alone: bool, entries: bool) -> None:
    """Refused in a transaction, in a batch, or as a single PUT."""
    quirks = bench.server.quirks
    quirks.refused, quirks.said = {CHANGED: 422}, {"issue": [PROFILE, {"code": "x"}]}
    quirks.no_bundles, quirks.transaction_is_batch = 405 if alone else 0, entries
    assert bench.push(study()).dead == 1
    [letter] = dead_letters(bench.outbox, bench.at)
    shown = letter.to_json()
    bare = {name: said for name, said in PROFILE.items() if name != "diagnostics"}
    assert shown["outcome"] == {"status": 422, "count": 2, "issues": [bare, {"code": "x"}]}
    assert letter.needs_profiles
    assert CANARY not in str(shown)
    assert PROFILE in letter.to_json(with_values=True)["outcome"]["issues"]
    nothing_leaked(bench.database)
    quirks.refused = {}
    bench.push(study())
    assert answers(bench) == {}


def test_the_answer_to_what_is_given_up_goes_with_it(bench: Bench) -> None:
    bench.server.quirks.refused = {CHANGED: 422}
    bench.push(study())
    assert answers(bench).keys() == {CHANGED}
    drop(bench.outbox, bench.at, CHANGED, "the device was broken")
    assert answers(bench) == {}


def test_what_is_only_blocked_has_no_answer_of_its_own(bench: Bench) -> None:
    patient = next(m.reference for m in study() if m.reference.startswith("Patient/"))
    bench.server.quirks.refused = {patient: 422}
    bench.push(study())
    found = {each.reference: each.refused for each in dead_letters(bench.outbox, bench.at)}
    assert len(found) > 1
    assert [name for name, refused in found.items() if refused] == [patient]


def answers(bench: Bench) -> dict[str, object]:
    row = bench.outbox.server_id(bench.at)
    return dict(bench.outbox.refused(row, bench.outbox.known(row)))
