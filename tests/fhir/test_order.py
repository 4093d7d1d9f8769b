"""The order of writes and the bundles they go in."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import ProtocolError
from adapter.fhir.bundles import MAX_ENTRIES, entries_read, judged, packed
from adapter.fhir.order import groups, is_literal


@dataclass
class Thing:
    reference: str
    subject: str = ""
    targets: tuple[str, ...] = ()
    content: bytes = b"x" * 500
    resource: dict[str, Any] = field(default_factory=dict)


GRAPHS = st.dictionaries(
    st.sampled_from([f"T/{n}" for n in range(8)]),
    st.lists(st.sampled_from([f"T/{n}" for n in range(8)]), max_size=4),
)


@given(GRAPHS)
def test_a_target_is_never_written_after_what_refers_to_it(graph: dict[str, list[str]]) -> None:
    order = groups(graph)
    place = {name: n for n, group in enumerate(order) for name in group}
    assert sorted(place) == sorted(graph)
    for name, targets in graph.items():
        for target in targets:
            assert target not in graph or place[target] <= place[name]


def test_a_cycle_is_one_group() -> None:
    graph = {
        "Encounter/1": ["Condition/1"],
        "Condition/1": ["Encounter/1", "Patient/1"],
        "Patient/1": [],
    }
    assert [sorted(group) for group in groups(graph)] == [
        ["Patient/1"], ["Condition/1", "Encounter/1"],
    ]  # fmt: skip


@given(st.lists(st.integers(1, 90), min_size=1, max_size=12), st.randoms())
def test_a_subject_that_fits_is_never_split(sizes: list[int], rng: random.Random) -> None:
    things = [
        Thing(f"Observation/{s}-{n}", subject=f"s{s}") for s, size in enumerate(sizes)
        for n in range(size)
    ]  # fmt: skip
    rng.shuffle(things)
    homes: dict[str, set[int]] = {}
    seen = []
    for number, bundle in enumerate(packed(things)):
        members = [thing for group in bundle for thing in group]
        assert len(members) <= MAX_ENTRIES
        seen += members
        for thing in members:
            homes.setdefault(thing.subject, set()).add(number)
    assert len(seen) == len(things)
    assert all(len(numbers) == 1 for numbers in homes.values())


def test_a_subject_too_large_for_one_bundle_is_split_in_order() -> None:
    things = [Thing("Patient/1", "s")] + [
        Thing(f"Observation/{n}", "s", ("Patient/1",)) for n in range(450)
    ]
    bundles = list(packed(things))
    assert [sum(map(len, bundle)) for bundle in bundles] == [200, 200, 51]
    assert bundles[0][0][0].reference == "Patient/1"


def test_member_groups_go_last_and_definitions_do_not() -> None:
    cohort = Thing("Group/c", resource={"resourceType": "Group", "member": []})
    criteria = Thing("Group/e", resource={"resourceType": "Group"})
    patient = Thing("Patient/1", "s")
    order = [t.reference for b in packed([cohort, patient, criteria]) for g in b for t in g]
    assert order == ["Group/e", "Patient/1", "Group/c"]


def response(*entries: tuple[str, str]) -> dict[str, Any]:
    return {
        "type": "transaction-response",
        "entry": [{"response": {"status": s, "location": where}} for s, where in entries],
    }


def test_an_answer_is_matched_by_location_not_by_place() -> None:
    things = [Thing("Patient/a"), Thing("Patient/b")]
    proven = judged(
        things,
        response(
            ("201 Created", "http://x/fhir/Patient/b/_history/1"), ("200", "Patient/a/_history/7")
        ),
    )
    assert {name: written.version for name, written in proven.items()} == {
        "Patient/a": "7", "Patient/b": "1",
    }  # fmt: skip


def test_an_entry_that_failed_or_is_missing_proves_nothing() -> None:
    things = [Thing("Patient/a"), Thing("Patient/b")]
    assert list(judged(things, response(("429", "Patient/a/_history/1")))) == []


@pytest.mark.parametrize("body", [{}, {"type": "batch-response"}, None, [], "<html>"])
def test_what_is_no_transaction_response_is_refused(body: Any) -> None:
    with pytest.raises(ProtocolError):
        judged([Thing("Patient/a")], body)


def test_reads_must_all_be_accounted_for() -> None:
    with pytest.raises(ProtocolError):
        entries_read(["Patient/a"], {"type": "batch-response", "entry": []})


@pytest.mark.parametrize(
    ("text", "literal"),
    [("Patient/s1", True), ("#c", False), ("urn:uuid:1", False), ("http://x/Patient/1", False)],
)
def test_only_type_and_id_is_a_literal_reference(text: str, literal: bool) -> None:
    assert is_literal(text) is literal
