"""A family withdraws: everything of the child goes, in order, and nothing comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.demo.server import EmbeddedServer
from adapter.errors import UnavailableError, UsageError
from adapter.fhir.order import references
from adapter.fhir.transport import Answer, Refusal, Transport
from adapter.mapped import Mapped
from adapter.mapping import map_study
from adapter.outbox import Outbox, Server, plan, push, retract, verify
from adapter.outbox.pushing import enqueue
from adapter.service import pushing, retracting
from adapter.study import Study
from tests.faults.server import ScriptedServer
from tests.outbox.conftest import copied, four_children


def target(server: EmbeddedServer) -> Server:
    return Server("test", server.url)


def first_subject(mapped: list[Mapped]) -> str:
    return next(m.subject for m in mapped if m.subject)


def test_a_withdrawn_child_is_gone_and_stays_gone(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    push(outbox, target(server), mapped)
    subject = first_subject(mapped)
    count = sum(m.subject == subject for m in mapped)
    done = retract(outbox, target(server), subject)
    assert (done.deleted, done.remains, done.is_proven) == (count, {}, True)
    again = push(outbox, target(server), mapped)  # the source still has the child
    assert again.writes == 0
    found = verify(outbox, target(server))
    assert (found.missing, found.dangling) == ([], [])
    assert plan(outbox, target(server), mapped).counts["create"] == 0


def test_lists_are_written_without_the_child_first(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    push(outbox, target(server), mapped)
    subject = first_subject(mapped)
    retract(outbox, target(server), subject)
    transport = Transport(server.url)
    groups = lists(mapped)
    for group in groups:
        assert f"Patient/{subject}" not in str(transport.get(group.reference).body)
    transport.close()
    assert groups


def lists(mapped: list[Mapped]) -> list[Mapped]:
    return [m for m in mapped if m.resource["resourceType"] == "Group" and "member" in m.resource]


def an_arm(folder: Path, keeping: ScriptedServer, outbox: Outbox) -> tuple[list[Mapped], Server]:
    """Four children of one arm, pushed to a server that deletes nothing that is referred to."""
    four_children(folder)
    mapped, at = map_study(Study(folder)).resources, Server("test", keeping.url)
    push(outbox, at, mapped)
    return mapped, at


def test_two_children_of_one_arm_withdraw_one_after_the_other(
    folder: Path, keeping: ScriptedServer, outbox: Outbox
) -> None:
    mapped, at = an_arm(folder, keeping, outbox)
    first, second, *_ = dict.fromkeys(m.subject for m in mapped if m.subject)
    for subject in (first, second):
        assert retract(outbox, at, subject).is_proven
        for listing in lists(mapped):
            assert f"Patient/{subject}" not in str(keeping.store.latest(listing.reference))
    assert push(outbox, at, mapped).writes == 0
    assert verify(outbox, at).dangling == []


@pytest.mark.parametrize("state", ["new", "dead"])
def test_a_list_that_is_not_done_leaves_the_child_out_too(
    folder: Path, keeping: ScriptedServer, outbox: Outbox, state: str
) -> None:
    mapped, at = an_arm(folder, keeping, outbox)
    renamed = copied(mapped)
    for listing in lists(renamed):
        listing.resource["name"] = "Another name"
    if state == "dead":
        keeping.quirks.refused = {"Group": 422}
        assert push(outbox, at, renamed).dead
        keeping.quirks.refused = {}
    else:
        enqueue(outbox, outbox.server_id(at), renamed)
    subject = first_subject(mapped)
    assert retract(outbox, at, subject).is_proven
    for listing in lists(renamed):
        held = keeping.store.latest(listing.reference)
        assert held is not None
        assert f"Patient/{subject}" not in str(held)
        assert held["name"] == "Another name"


def test_only_the_hash_is_kept(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    push(outbox, target(server), mapped)
    subject = first_subject(mapped)
    retract(outbox, target(server), subject)
    row = outbox.server_id(target(server))
    left = outbox.of_subject(row, subject)
    assert {change.state for change in left} == {"withdrawn"}
    assert {change.content for change in left} == {b""}


def test_what_refers_to_others_goes_first_over_several_bundles_too(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    push(outbox, target(server), mapped)
    subject = first_subject(mapped)
    outbox.learn(outbox.server_id(target(server)), "max-entries", "2")
    gone: list[str] = []

    class Noting(Transport):
        def post(self, bundle: dict[str, object]) -> Answer:
            requests = [entry["request"] for entry in bundle["entry"]]  # type: ignore[attr-defined]
            gone.extend(each["url"] for each in requests if each["method"] == "DELETE")
            return super().post(bundle)

    retract(outbox, target(server), subject, transport_factory=lambda s: Noting(s.url))
    own = {m.reference: m.resource for m in mapped if m.subject == subject}
    assert set(gone) == set(own)
    for place, name in enumerate(gone):
        assert set(references(own[name])).isdisjoint(gone[:place]), name


def test_what_was_never_sent_cannot_be_withdrawn(server: EmbeddedServer, outbox: Outbox) -> None:
    with pytest.raises(UsageError, match="nothing of this subject"):
        retract(outbox, target(server), "snobody")


def test_nobody_is_no_subject(server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]) -> None:
    push(outbox, target(server), mapped)
    with pytest.raises(UsageError, match="nothing of this subject"):
        retract(outbox, target(server), "")
    assert push(outbox, target(server), mapped).unchanged == len(mapped)


def test_who_withdrew_at_the_same_time_is_left_out_of_the_lists_too(
    folder: Path, keeping: ScriptedServer, outbox: Outbox
) -> None:
    mapped, at = an_arm(folder, keeping, outbox)
    row = outbox.server_id(at)
    first, second, *_ = dict.fromkeys(m.subject for m in mapped if m.subject)
    [before] = [c for c in outbox.of_subject(row, "") if c.reference == lists(mapped)[0].reference]
    retract(outbox, at, first)
    before.state = "new"
    outbox.enqueue(row, [before])  # another process had read it before the first was withdrawn
    assert retract(outbox, at, second).is_proven
    held = keeping.store.latest(before.reference)
    assert held is not None
    assert not any(f"Patient/{subject}" in str(held) for subject in (first, second))


def test_each_withdrawal_counts_its_own(
    folder: Path, keeping: ScriptedServer, outbox: Outbox
) -> None:
    mapped, at = an_arm(folder, keeping, outbox)
    first, second, *_ = dict.fromkeys(m.subject for m in mapped if m.subject)
    with pytest.raises(UnavailableError):
        retract(outbox, Server("test", keeping.url), first, wait=0,
                transport_factory=lambda s: Away(s.url), sleep=lambda _: None)  # fmt: skip
    done = retract(outbox, at, second)
    own = sum(m.subject == second for m in mapped)
    assert (done.deleted, done.already_gone, done.is_proven) == (own, 0, True)


class Away(Transport):
    """Nobody answers."""

    def _send(self, *_args: object, **_more: object) -> Answer:
        raise UnavailableError("the server cannot be reached")


def test_a_server_that_is_away_blocks_the_child_already(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    push(outbox, target(server), mapped)
    subject = first_subject(mapped)
    with pytest.raises(UnavailableError):
        retract(
            outbox, target(server), subject, wait=0,
            transport_factory=lambda s: Away(s.url), sleep=lambda _: None,
        )  # fmt: skip
    assert subject in outbox.withdrawn(outbox.server_id(target(server)))
    assert retract(outbox, target(server), subject).is_proven


def test_what_a_server_will_not_delete_is_said(
    server: EmbeddedServer, outbox: Outbox, mapped: list[Mapped]
) -> None:
    push(outbox, target(server), mapped)
    subject = first_subject(mapped)

    class Keeping(Transport):
        def post(self, bundle: dict[str, object]) -> Answer:
            if any(e["request"]["method"] == "DELETE" for e in bundle["entry"]):  # type: ignore[attr-defined]
                raise Refusal(405, ("not-supported",))
            return super().post(bundle)

        def delete(self, path: str, version: str | None = None) -> Answer:
            raise Refusal(405, ("not-supported",))

    done = retract(outbox, target(server), subject, transport_factory=lambda s: Keeping(s.url))
    assert not done.is_proven
    assert set(done.remains) == {m.reference for m in mapped if m.subject == subject}
    assert "405" in next(iter(done.remains.values()))


def test_a_subject_goes_by_its_reference_too(folder: Path, server: EmbeddedServer) -> None:
    pushed = pushing.push(Study(folder), server.url)
    child = first_subject(pushed.mapped.resources)
    done = retracting.retract(Study(folder), f"Patient/{child}", server.url)
    assert (done.subject, done.is_proven) == (child, True)


def test_who_withdraws_before_anything_was_sent_is_never_sent(
    folder: Path, keeping: ScriptedServer
) -> None:
    child, other = dict.fromkeys(m.subject for m in map_study(Study(folder)).resources if m.subject)
    done = retracting.retract(Study(folder), child, keeping.url)
    assert (done.deleted, done.is_proven) == (0, True)
    pushing.push(Study(folder), keeping.url)
    assert keeping.store.latest(f"Patient/{other}")
    assert keeping.store.latest(f"Patient/{child}") is None
    with pytest.raises(UsageError, match="nothing of this subject"):
        retracting.retract(Study(folder), "snobody", keeping.url)
