"""Provenance and AuditEvent: only where a run wrote, never twice, and never in the way."""

from __future__ import annotations

import copy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.demo.server import EmbeddedServer
from adapter.fhir.transport import Refusal, Transport
from adapter.mapped import Mapped
from adapter.outbox import (
    Absence,
    Outbox,
    PushResult,
    Records,
    Server,
    plan,
    push,
    pushing,
    retract,
    vanish,
    verify,
)
from adapter.outbox.changes import Change
from adapter.study import Study
from adapter.validation import Validator
from mappings.context import load_default_context
from tests.faults.quirks import EPIC
from tests.faults.server import ScriptedServer
from tests.outbox.conftest import copied
from tests.outbox.test_push import TOTAL, flaky, target


@pytest.fixture
def records(folder: Path) -> Records:
    return Records(Study(folder).context)


def held(server: EmbeddedServer, outbox: Outbox, kind: str) -> list[dict[str, Any]]:
    """What the server holds of a type that this outbox acknowledged."""
    transport = Transport(server.url)
    row = outbox.server_id(target(server))
    names = [each.reference for each in outbox.held_or_wanted(row)]
    found = [transport.get(name).body for name in names if name.startswith(f"{kind}/")]
    transport.close()
    return found


def with_another_value(mapped: list[Mapped]) -> tuple[list[Mapped], str]:
    changed = copied(mapped)
    result = next(m for m in changed if "valueQuantity" in m.resource)
    result.resource["valueQuantity"]["value"] = Decimal("99.0")
    return changed, result.reference


def test_everything_written_is_named_once(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped], records: Records
) -> None:
    result = push(outbox, target(server), mapped, records=records)
    assert (result.created, result.dead) == (TOTAL, 0)
    provenance = held(server, outbox, "Provenance")
    named = [one["reference"] for each in provenance for one in each["target"]]
    assert sorted(named) == sorted(m.reference for m in mapped)
    (run,) = held(server, outbox, "AuditEvent")
    assert (run["action"], run["outcome"]) == ("C", "0")
    assert result.records == len(provenance) + 1


def test_a_run_that_wrote_nothing_leaves_no_record(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped], records: Records
) -> None:
    push(outbox, target(server), mapped, records=records)
    again = push(outbox, target(server), mapped, records=records)
    assert (again.writes, again.records, again.requests) == (0, 0, 0)
    assert plan(outbox, target(server), mapped).items == []
    assert verify(outbox, target(server)).missing == []


def test_a_run_that_is_killed_leaves_a_record_too(
    server: EmbeddedServer,
    outbox: Outbox,
    mapped: list[Mapped],
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        """Nothing is done any more."""

    def die(_relays: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(pushing, "_audit", die)
        with pytest.raises(Killed):
            push(outbox, target(server), mapped, records=records)
    again = push(outbox, target(server), mapped, records=records)
    assert (again.writes, again.records) == (0, 1)
    (run,) = held(server, outbox, "AuditEvent")
    assert run["outcome"] == "4"  # it did not say how it ended
    assert push(outbox, target(server), mapped, records=records).requests == 0


def test_a_changed_cell_has_a_provenance_of_its_own(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped], records: Records
) -> None:
    push(outbox, target(server), mapped, records=records)
    changed, reference = with_another_value(mapped)
    assert push(outbox, target(server), changed, records=records).records == 2
    revisions = [
        each
        for each in held(server, outbox, "Provenance")
        if each["activity"]["coding"][0]["code"] == "UPDATE"
    ]
    assert [one["target"] for one in revisions] == [[{"reference": reference}]]


def test_a_lost_answer_loses_no_record(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped], records: Records
) -> None:
    push(
        outbox, target(server), mapped, records=records,
        transport_factory=flaky("ok", "lost", "ok", "lost", "ok", "lost"), sleep=lambda _: None,
    )  # fmt: skip
    provenance = held(server, outbox, "Provenance")
    named = [one["reference"] for each in provenance for one in each["target"]]
    assert sorted(named) == sorted(m.reference for m in mapped)


def test_a_withdrawn_subject_is_named_by_no_record(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped], records: Records
) -> None:
    push(outbox, target(server), mapped, records=records)
    before = held(server, outbox, "Provenance")
    subject = next(m.subject for m in mapped if m.subject)
    assert retract(outbox, target(server), subject, records=records).is_proven
    of_subject = [each for each in before if f"Patient/{subject}" in str(each["target"])]
    assert of_subject
    transport = Transport(server.url)
    for each in of_subject:
        with pytest.raises(Refusal):
            transport.get(f"Provenance/{each['id']}")
    transport.close()
    assert subject not in str(held(server, outbox, "AuditEvent"))


def test_what_vanished_goes_before_it_the_record_that_names_it(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped], records: Records
) -> None:
    push(outbox, target(server), mapped, records=records)
    gone = next(m for m in mapped if "valueQuantity" in m.resource)
    source = gone.origins[0].source
    absence = Absence(exports={source: "full"}, policies={source: "delete"})
    left = [each for each in mapped if each is not gone]
    assert vanish(outbox, target(server), [gone.reference], absence, allow=True).wanted == 1
    result = push(outbox, target(server), left, records=records)
    assert (result.deleted, result.dead) == (1, 0)
    assert verify(outbox, target(server)).dangling == []


def test_a_server_that_gives_ids_of_its_own_is_sent_none(
    outbox: Outbox, mapped: list[Mapped], records: Records
) -> None:
    with ScriptedServer(quirks=copy.deepcopy(EPIC)) as server:
        at = Server("test", server.url)
        first = push(outbox, at, mapped, records=records)
        changed, _ = with_another_value(mapped)
        second = push(outbox, at, changed, records=records)
    assert (first.created, first.dead, first.records) == (TOTAL, 0, 0)
    assert (second.updated, second.dead, second.records) == (1, 0, 0)


def test_a_server_that_lists_no_provenance_is_sent_none(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped], records: Records
) -> None:
    class Closed(Transport):
        def get(self, path: str) -> Any:
            answer = super().get(path)
            if path == "metadata":
                for rest in answer.body["rest"]:
                    kept = [r for r in rest["resource"] if r["type"] != "Provenance"]
                    rest["resource"] = kept
            return answer

    result = push(
        outbox, target(server), mapped, records=records,
        transport_factory=lambda at: Closed(at.url),
    )  # fmt: skip
    assert (result.created, result.records, result.dead) == (TOTAL, 0, 0)


VALIDATORS = {release: Validator(release) for release in ("R4", "R4B", "R5")}


@pytest.mark.parametrize("release", VALIDATORS)
@given(
    references=st.lists(st.from_regex(r"Observation/s[a-z2-7]{31}", fullmatch=True), min_size=1),
    subject=st.sampled_from(["", "s" + "a" * 31]),
    revised=st.booleans(),
    counts=st.tuples(*[st.integers(0, 10**9)] * 4),
)
@settings(max_examples=25, deadline=None)
def test_any_record_is_valid(
    release: str,
    references: list[str],
    subject: str,
    revised: bool,
    counts: tuple[int, int, int, int],
) -> None:
    context = load_default_context("S", lambda *_: "s" + "b" * 31, release=release)
    records = Records(context)
    written = [Change(reference, subject, b"", "") for reference in references]
    created, updated, deleted, dead = counts
    did = PushResult(created=created, updated=updated, deleted=deleted, dead=dead)
    made = records.provenance(written, set(references) if revised else set())
    for change in (*made, records.audit("run", did)):
        issues = VALIDATORS[release].validate(change.resource)
        # R4B's own value set of security labels imports one that it does not have
        known = [i for i in issues if i.severity == "information" or "security" in i.path]
        assert issues == known
