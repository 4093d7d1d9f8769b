"""The order of writes and the bundles they go in."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import ProtocolError
from adapter.fhir.bundles import MAX_ENTRIES, Limits, entries_read, packed
from adapter.fhir.json import dumps
from adapter.fhir.order import groups, is_last, is_literal, references, written_references


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
    subjects = [
        [Thing(f"Observation/{s}-{n}", subject=f"s{s}") for n in range(size)]
        for s, size in enumerate(sizes)
    ]
    for each in subjects:
        rng.shuffle(each)
    things = [thing for each in subjects for thing in each]
    homes: dict[str, set[int]] = {}
    seen = []
    for number, bundle in enumerate(packed(subjects, Limits())):
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
    bundles = list(packed([things], Limits()))
    assert [sum(map(len, bundle)) for bundle in bundles] == [200, 200, 51]
    assert bundles[0][0][0].reference == "Patient/1"


def test_member_groups_go_last_and_definitions_do_not() -> None:
    assert is_last({"resourceType": "Group", "member": []})
    assert is_last({"resourceType": "List"})
    assert not is_last({"resourceType": "Group"})


def test_reads_must_all_be_accounted_for() -> None:
    with pytest.raises(ProtocolError):
        entries_read(["Patient/a"], {"type": "batch-response", "entry": []})


def test_references_are_found_in_the_bytes_as_in_the_tree() -> None:
    resource = {
        "resourceType": "Basic",
        "subject": {"reference": "Patient/a", "display": 'x"reference":"Patient/b"'},
        "extension": [{"url": "u", "valueReference": {"reference": "#c"}}],
    }
    assert list(written_references(dumps(resource))) == list(references(resource))


@pytest.mark.parametrize(
    ("text", "literal"),
    [("Patient/s1", True), ("#c", False), ("urn:uuid:1", False), ("http://x/Patient/1", False)],
)
def test_only_type_and_id_is_a_literal_reference(text: str, literal: bool) -> None:
    assert is_literal(text) is literal
