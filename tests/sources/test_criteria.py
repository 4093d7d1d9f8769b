"""Eligibility text -> criteria, in the ways that registrations write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.sources.criteria import split_criteria


@pytest.mark.parametrize(
    ("text", "inclusion", "exclusion"),
    [
        (
            "Inclusion Criteria:\n\n* ill\n* young\n\nExclusion Criteria:\n\n* too ill",
            ("ill", "young"),
            ("too ill",),
        ),
        (
            "KEY INCLUSION CRITERIA\n1. ill\n2. young\nKEY EXCLUSION CRITERIA\n1) too ill",
            ("ill", "young"),
            ("too ill",),
        ),
        (
            "Inclusion Criteria:\n* ill, with\n  * fever\n  * cough\n* young",
            ("ill, with\n* fever\n* cough", "young"),
            (),
        ),
        ("Inclusion Criteria:\n\nAll children", ("All children",), ()),
        ("Preface\nExclusion criteria\n- too ill", (), ("too ill",)),
        ("Anybody", (), ()),
        ("", (), ()),
        (None, (), ()),
    ],
    ids=["usual", "numbered", "nested", "sentence", "preface", "no headings", "empty", "none"],
)
def test_lists(text: str | None, inclusion: tuple[str, ...], exclusion: tuple[str, ...]) -> None:
    assert split_criteria(text) == (inclusion, exclusion)


@given(st.text())
def test_any_text_is_split_without_empty_criteria(text: str) -> None:
    inclusion, exclusion = split_criteria(text)
    assert all(each.strip() for each in (*inclusion, *exclusion))


@given(st.lists(st.from_regex(r"[a-z]{3,9} [a-z]{3,9}", fullmatch=True), min_size=1))
def test_bullets_come_back_as_they_were(points: list[str]) -> None:
    text = "Inclusion Criteria:\n\n" + "\n".join(f"* {point}" for point in points)
    assert split_criteria(text)[0] == tuple(points)
