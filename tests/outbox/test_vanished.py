"""Rows that disappear from an export: reported, said to be an error, deleted, never by chance."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.demo.server import EmbeddedServer
from adapter.errors import UnavailableError, UsageError
from adapter.fhir.transport import Refusal, Transport
from adapter.service import planning, pushing, verifying
from adapter.study import Study
from tests.faults.faults import Fault
from tests.faults.server import ScriptedServer
from tests.outbox.conftest import four_children


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def settled(folder: Path, policy: str) -> None:
    """The laboratory's export is a full one, with this policy."""
    edit(folder, "study.yaml", "file: lab.csv", f"file: lab.csv, export: full, on-vanish: {policy}")


def lab_lines(folder: Path) -> list[str]:
    return (folder / "lab.csv").read_text(encoding="utf-8").splitlines(keepends=True)


def without_last_row(folder: Path) -> None:
    (folder / "lab.csv").write_text("".join(lab_lines(folder)[:-1]), encoding="utf-8")


def vanished(folder: Path, server: EmbeddedServer | ScriptedServer) -> list[str]:
    _, plan = planning.plan(Study(folder), server.url)
    return [item.reference for item in plan.items if item.action == "vanished"]


def test_from_a_delta_nothing_vanishes(folder: Path, server: EmbeddedServer) -> None:
    pushing.push(Study(folder), server.url)
    without_last_row(folder)
    assert vanished(folder, server) == []


def test_from_a_full_export_it_is_reported_and_left_alone(
    folder: Path, server: EmbeddedServer
) -> None:
    settled(folder, "report")
    pushing.push(Study(folder), server.url)
    without_last_row(folder)
    assert len(vanished(folder, server)) == 1
    assert pushing.push(Study(folder), server.url).result.writes == 0
    assert verifying.verify(Study(folder), server.url).missing == []


def test_it_can_be_said_to_be_an_error(folder: Path, server: EmbeddedServer) -> None:
    settled(folder, "entered-in-error")
    pushing.push(Study(folder), server.url)
    without_last_row(folder)
    [gone] = vanished(folder, server)
    assert pushing.push(Study(folder), server.url, allow=True).result.updated == 1
    transport = Transport(server.url)
    assert transport.get(gone).body["status"] == "entered-in-error"
    transport.close()
    assert pushing.push(Study(folder), server.url, allow=True).result.writes == 0


def test_it_can_be_deleted_but_not_too_much_by_accident(
    folder: Path, server: EmbeddedServer
) -> None:
    settled(folder, "delete")
    pushing.push(Study(folder), server.url)
    without_last_row(folder)
    [gone] = vanished(folder, server)
    with pytest.raises(UsageError, match="rows are gone"):
        pushing.push(Study(folder), server.url)
    assert pushing.push(Study(folder), server.url, allow=True).result.deleted == 1
    transport = Transport(server.url)
    with pytest.raises(Refusal, match="410"):
        transport.get(gone)
    transport.close()


def test_a_row_that_is_rejected_now_is_held_not_vanished(
    folder: Path, server: EmbeddedServer
) -> None:
    settled(folder, "delete")
    pushing.push(Study(folder), server.url)
    edit(folder, "lab.csv", "12.50", "no number")
    _, plan = planning.plan(Study(folder), server.url)
    assert plan.counts["held"] == 1
    assert plan.counts["vanished"] == 0
    assert pushing.push(Study(folder), server.url).result.deleted == 0


def all_full(folder: Path) -> None:
    settled(folder, "delete")
    edit(
        folder,
        "study.yaml",
        "file: people.csv",
        "file: people.csv, export: full, on-vanish: delete",
    )


def without_second_child(folder: Path) -> None:
    people = (folder / "people.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "people.csv").write_text("".join(people[:-1]), encoding="utf-8")


def test_a_child_that_vanished_goes_with_its_group_and_leaves_nothing_behind(
    folder: Path, server: EmbeddedServer
) -> None:
    all_full(folder)
    pushing.push(Study(folder), server.url)
    without_second_child(folder)
    without_last_row(folder)
    gone = vanished(folder, server)
    assert {each.partition("/")[0] for each in gone} == {
        "Group", "Observation", "Patient", "ResearchSubject",
    }  # fmt: skip
    assert pushing.push(Study(folder), server.url, allow=True).result.deleted == len(gone)
    found = verifying.verify(Study(folder), server.url)
    assert (found.missing, found.dangling) == ([], [])
    assert vanished(folder, server) == []


def test_a_child_that_vanished_leaves_its_group_before_it_goes(
    folder: Path, keeping: ScriptedServer
) -> None:
    four_children(folder)
    all_full(folder)
    pushing.push(Study(folder), keeping.url)
    without_second_child(folder)
    without_last_row(folder)
    done = pushing.push(Study(folder), keeping.url, allow=True).result
    assert (done.deleted, done.dead) == (3, 0)
    assert pushing.push(Study(folder), keeping.url).result.writes == 0
    found = verifying.verify(Study(folder), keeping.url)
    assert (found.missing, found.different, found.dangling) == ([], [], [])


def test_nothing_is_deleted_that_something_else_of_the_child_still_needs(
    folder: Path, server: EmbeddedServer
) -> None:
    edit(
        folder,
        "study.yaml",
        "file: people.csv",
        "file: people.csv, export: full, on-vanish: delete",
    )
    pushing.push(Study(folder), server.url)
    without_second_child(folder)
    without_last_row(folder)  # a delta: its row says nothing by its absence
    edit(folder, "lab.csv", "12.50", "13.50")
    pushed = pushing.push(Study(folder), server.url, allow=True)
    assert {each.partition("/")[0] for each in pushed.kept} == {"Patient"}
    assert (pushed.exit, pushed.result.updated) == (1, 1)
    assert verifying.verify(Study(folder), server.url).dangling == []


def test_what_vanished_before_it_was_sent_is_not_sent(
    folder: Path, keeping: ScriptedServer
) -> None:
    settled(folder, "report")
    keeping.faults = (Fault("status", "any", range(1_000), status=503),)
    with pytest.raises(UnavailableError):
        pushing.push(Study(folder), keeping.url, wait=0)
    keeping.calm()
    without_last_row(folder)
    pushed = pushing.push(Study(folder), keeping.url)
    assert pushed.result.sent["Observation"] == pushed.mapped.counts["Observation"] == 2
    assert vanished(folder, keeping) == []


def test_what_was_said_to_be_an_error_counts_once(folder: Path, server: EmbeddedServer) -> None:
    settled(folder, "entered-in-error")
    pushing.push(Study(folder), server.url)
    without_last_row(folder)
    pushing.push(Study(folder), server.url, allow=True)
    assert pushing.push(Study(folder), server.url).result.writes == 0


def test_records_of_runs_make_no_export_look_whole(folder: Path, server: EmbeddedServer) -> None:
    settled(folder, "delete")
    pushing.push(Study(folder), server.url)
    for value in ("13.50", "14.50", "15.50", "16.50"):
        before = lab_lines(folder)[1].split(",")[3]
        edit(folder, "lab.csv", before, value)
        pushing.push(Study(folder), server.url)
    without_last_row(folder)
    with pytest.raises(UsageError, match="1 of 12 resources"):
        pushing.push(Study(folder), server.url)


def test_a_deletion_that_is_refused_stays_open(folder: Path, keeping: ScriptedServer) -> None:
    settled(folder, "delete")
    pushing.push(Study(folder), keeping.url)
    without_last_row(folder)
    [gone] = vanished(folder, keeping)
    keeping.store.versions["List/of-others"] = [{"resourceType": "List", "id": "of-others",
        "entry": [{"item": {"reference": gone}}]}]  # fmt: skip
    for _ in range(2):
        pushed = pushing.push(Study(folder), keeping.url, allow=True)
        assert (pushed.result.dead, pushed.exit) == (1, 3)
        _, plan = planning.plan(Study(folder), keeping.url)
        assert [(i.action, i.reference) for i in plan.items] == [("retract", gone)]
    del keeping.store.versions["List/of-others"]
    assert pushing.push(Study(folder), keeping.url).result.deleted == 1
