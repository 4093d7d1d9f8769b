"""Pushing to a real server that stops, loses answers and refuses: nothing lost, nothing doubled."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.demo.server import EmbeddedServer
from adapter.errors import OutboxError, UnavailableError
from adapter.fhir.transport import Answer, Refusal, Transport, Unknown
from adapter.mapped import Mapped
from adapter.outbox import Outbox, PushResult, Server, plan, push, verify
from tests.outbox.conftest import copied, open_outbox

TOTAL = 12  # resources of the small study


def target(server: EmbeddedServer) -> Server:
    return Server("test", server.url)


class Flaky(Transport):
    """A transport whose posts can be disturbed: ``script`` says what happens to each."""

    script: list[str]

    def post(self, bundle: dict[str, Any]) -> Answer:
        fate = self.script.pop(0) if self.script else "ok"
        if fate == "down":
            raise UnavailableError("the server cannot be reached")
        answer = super().post(bundle)
        if fate == "lost":  # the server did it, and we never hear of it
            raise Unknown("the answer was not complete")
        return answer


def flaky(*script: str) -> Any:
    def connect(server: Server) -> Transport:
        transport = Flaky(server.url)
        transport.script = list(script)
        return transport

    return connect


def versions(server: EmbeddedServer, mapped: list[Mapped]) -> set[str]:
    """The version ids the server holds of these resources."""
    transport = Transport(server.url)
    found = {transport.get(m.reference).body["meta"]["versionId"] for m in mapped}
    transport.close()
    return found


def test_the_second_push_writes_nothing_and_asks_nothing(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    first = push(outbox, target(server), mapped)
    second = push(outbox, target(server), mapped)
    assert (first.created, first.updated, first.dead) == (TOTAL, 0, 0)
    assert (second.writes, second.unchanged, second.requests) == (0, TOTAL, 0)


def test_order_does_not_matter(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    assert push(outbox, target(server), mapped[::-1]).created == TOTAL
    assert push(outbox, target(server), mapped).writes == 0


def test_a_changed_value_is_planned_by_path_and_sent_alone(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    push(outbox, target(server), mapped)
    changed = copied(mapped)
    crp = next(m for m in changed if "valueQuantity" in m.resource)
    crp.resource["valueQuantity"]["value"] = Decimal("99.0")
    found = plan(outbox, target(server), changed)
    assert (found.counts["update"], found.counts["unchanged"]) == (1, TOTAL - 1)
    assert found.to_json()["items"] == [
        {
            "action": "update",
            "reference": crp.reference,
            "changes": [{"path": "Observation.valueQuantity.value"}],
        }
    ]
    assert found.digest != plan(outbox, target(server), mapped).digest
    assert "99" in str(plan(outbox, target(server), changed, with_values=True).to_json())
    result = push(outbox, target(server), changed)
    assert (result.created, result.updated) == (0, 1)
    assert verify(outbox, target(server)).different == []


def test_1_10_instead_of_1_1_is_a_change(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    push(outbox, target(server), mapped)
    changed = copied(mapped)
    crp = next(m for m in changed if str(m.resource.get("valueQuantity", {}).get("value")) == "3")
    crp.resource["valueQuantity"]["value"] = Decimal("3.0")
    assert plan(outbox, target(server), changed).counts["update"] == 1


@pytest.fixture
def empty_server() -> Iterator[EmbeddedServer]:
    """A server that nobody has written to."""
    with EmbeddedServer() as running:
        yield running


def test_where_nothing_is_nothing_is_read_first(
    empty_server: EmbeddedServer, folder: Path, mapped: list[Mapped]
) -> None:
    posted: list[str] = []

    class Told(Transport):
        def post(self, bundle: dict[str, Any]) -> Answer:
            posted.append(bundle["type"])
            return super().post(bundle)

    def pushed() -> PushResult:
        with open_outbox(folder) as outbox:
            return push(outbox, target(empty_server), mapped,
                        transport_factory=lambda server: Told(server.url))  # fmt: skip

    assert pushed().created == TOTAL
    assert set(posted) == {"transaction"}
    for name in ("o.sqlite", "o.sqlite-wal", "o.sqlite-shm", "o.marker.json"):
        (folder / ".study-fhir" / name).unlink(missing_ok=True)
    posted.clear()
    assert pushed().unchanged == TOTAL  # a second outbox finds what the first one wrote
    assert set(posted) == {"batch"}
    assert versions(empty_server, mapped) == {"1"}


def test_what_may_have_arrived_is_read_even_where_nothing_was(
    empty_server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    result = push(
        outbox, target(empty_server), mapped,
        transport_factory=flaky("lost", "ok", "lost"), sleep=lambda _: None,
    )  # fmt: skip
    assert versions(empty_server, mapped) == {"1"}
    assert result.writes + result.unchanged == TOTAL


def test_where_somebody_else_writes_too_everything_is_read_from_then_on(
    empty_server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    posted: list[str] = []
    other = Transport(empty_server.url)
    theirs = next(m.resource for m in mapped if m.resource["resourceType"] == "ResearchStudy")

    class Meddled(Transport):
        def post(self, bundle: dict[str, Any]) -> Answer:
            if not posted:  # after the search, before the first write
                other.put(f"ResearchStudy/{theirs['id']}", {**theirs, "status": "withdrawn"})
            posted.append(bundle["type"])
            return super().post(bundle)

    push(outbox, target(empty_server), mapped,
         transport_factory=lambda server: Meddled(server.url))  # fmt: skip
    other.close()
    assert posted[:2] == ["transaction", "batch"]
    assert not verify(outbox, target(empty_server)).different


def test_a_lost_answer_is_looked_for_and_not_sent_again(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    waits: list[float] = []
    result = push(
        outbox, target(server), mapped,
        transport_factory=flaky("ok", "lost", "ok", "lost"), sleep=waits.append,
    )  # fmt: skip
    assert versions(server, mapped) == {"1"}
    assert result.writes + result.unchanged == TOTAL
    assert waits
    assert push(outbox, target(server), mapped).writes == 0


def test_a_server_that_comes_back_within_the_wait_is_served(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    waits: list[float] = []
    result = push(
        outbox, target(server), mapped,
        transport_factory=flaky("down", "down", "down"), sleep=waits.append,
    )  # fmt: skip
    assert result.created == TOTAL
    assert len(waits) == 3
    assert waits[0] < waits[2]


def test_a_server_that_stays_away_defers_and_the_next_push_completes(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    time = [0.0]

    def sleep(seconds: float) -> None:
        time[0] += seconds

    with pytest.raises(UnavailableError, match="waited 60 s"):
        push(
            outbox, target(server), mapped,
            transport_factory=flaky("ok", "ok", *["down"] * 99),
            clock=lambda: time[0], sleep=sleep,
        )  # fmt: skip
    assert 59 < time[0] < 61
    again = push(outbox, target(server), mapped)
    assert 0 < again.created < TOTAL
    assert versions(server, mapped) == {"1"}
    assert verify(outbox, target(server)).checked == TOTAL


def test_a_server_stopped_in_the_middle_and_started_again(
    folder: Path, mapped: list[Mapped], tmp_path: Path
) -> None:
    running = EmbeddedServer(database=tmp_path / "server.sqlite")
    running.start()

    class Stopping(Transport):
        posts = 0

        def post(self, bundle: dict[str, Any]) -> Answer:
            self.posts += 1
            if self.posts == 3:  # between the reads and the write of the second bundle
                running.stop()
            return super().post(bundle)

    restarted: list[float] = []

    def sleep(seconds: float) -> None:
        restarted.append(seconds)
        if len(restarted) == 2:
            running.start()

    with open_outbox(folder) as outbox:
        result = push(
            outbox, target(running), mapped,
            transport_factory=lambda s: Stopping(s.url), sleep=sleep,
        )  # fmt: skip
        assert result.created == TOTAL
        assert versions(running, mapped) == {"1"}
        assert push(outbox, target(running), mapped).writes == 0
    running.stop()


def test_a_new_outbox_finds_what_the_server_holds(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped], tmp_path: Path
) -> None:
    push(outbox, target(server), mapped)
    with Outbox.open(
        tmp_path / "new.sqlite", study="TEST01", release="R4", key_fingerprint="k"
    ) as fresh:
        again = push(fresh, target(server), mapped)
    assert (again.writes, again.unchanged) == (0, TOTAL)
    assert versions(server, mapped) == {"1"}


def test_one_refused_resource_is_a_dead_letter_and_the_others_go_on(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    bad = copied(mapped)
    spoiled = next(m for m in bad if m.resource["resourceType"] == "Observation")
    spoiled.resource["shoe"] = "size 38"
    result = push(outbox, target(server), bad)
    assert (result.dead, result.created) == (1, TOTAL - 1)
    assert push(outbox, target(server), mapped).created == 1


def test_what_refers_to_a_refused_resource_is_not_sent(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    bad = copied(mapped)
    patient = next(m for m in bad if m.resource["resourceType"] == "Patient")
    patient.resource["shoe"] = "size 38"
    result = push(outbox, target(server), bad)
    referring = [m for m in bad if patient.reference in str(m.resource) and m is not patient]
    assert result.dead == 1 + len(referring)
    assert verify(outbox, target(server)).dangling == []


def test_a_resource_changed_by_others_is_not_overwritten(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    push(outbox, target(server), mapped)
    theirs = next(m for m in mapped if m.resource["resourceType"] == "Patient")
    other = copy.deepcopy(theirs.resource) | {"gender": "unknown"}
    transport = Transport(server.url)
    transport.post(
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {"resource": other, "request": {"method": "PUT", "url": theirs.reference}},
            ],
        }
    )
    ours = [
        replace(m, resource={**m.resource, "birthDate": "2001"}) if m is theirs else m
        for m in mapped
    ]
    result = push(outbox, target(server), ours)
    assert result.dead >= 1
    assert transport.get(theirs.reference).body["gender"] == "unknown"
    transport.close()


def test_what_the_server_lost_is_found(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    push(outbox, target(server), mapped)
    import requests

    gone = next(m for m in mapped if m.resource["resourceType"] == "Observation")
    requests.delete(f"{server.url}/{gone.reference}", timeout=10)
    found = verify(outbox, target(server))
    assert found.missing == [gone.reference]


@pytest.mark.parametrize(
    "changed", [{"study": "OTHER"}, {"release": "R5"}, {"key_fingerprint": "other"}]
)
def test_another_study_release_or_key_is_refused(folder: Path, changed: dict[str, str]) -> None:
    open_outbox(folder).__exit__(None, None, None)
    with pytest.raises(OutboxError, match="another"):
        open_outbox(folder, **changed)


def test_the_outbox_can_be_read_by_its_owner_alone(folder: Path) -> None:
    with open_outbox(folder) as outbox:
        assert Path(outbox.where).stat().st_mode & 0o077 == 0


def test_a_refusal_says_codes_and_no_diagnostics(server: EmbeddedServer) -> None:
    transport = Transport(server.url)
    with pytest.raises(Refusal) as caught:
        transport.get("Patient/CANARY-7f3a")
    transport.close()
    assert "CANARY" not in str(caught.value)
    assert caught.value.status == 404
