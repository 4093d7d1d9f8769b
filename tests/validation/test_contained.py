"""Contained resources that nobody refers to, and those that somebody does."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation.contained import check_contained

ORPHAN = "CONTAINED_ORPHAN_DOM3"


def patient(given: str | None, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **({"id": given} if given else {}), **more}


def to(fragment: str) -> dict[str, str]:
    return {"reference": fragment}


DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


@pytest.mark.parametrize(
    ("resource", "orphans"),
    [
        ({"subject": to("#a"), "contained": [patient("a")]}, []),
        ({"subject": to("Patient/1"), "contained": [patient("a"), patient("b")]}, [0, 1]),
        ({"subject": to("#a"), "contained": [patient("a"), patient(None)]}, [1]),
        # through another, and the other way round
        ({"subject": to("#a"), "contained": [patient("a", link=to("#b")), patient("b")]}, []),
        ({"contained": [patient("a", link=to("#"))]}, []),
        ({"contained": [patient("a", link=to("#")), patient("b")]}, [1]),
        ({"contained": [{**patient("a", link=to("#")), "other": to("#b")}, patient("b")]}, []),
        # a circle, and a resource that refers to itself
        ({"contained": [patient("a", link=to("#b")), patient("b", link=to("#a"))]}, [0, 1]),
        ({"contained": [patient("a", link=to("#a"))]}, [0]),
        # canonicals, extensions and narratives refer too, plain text does not
        ({"library": ["#a"], "contained": [patient("a")]}, []),
        ({"extension": [{"url": "u", "valueUri": "#a"}], "contained": [patient("a")]}, []),
        ({"text": {"div": DIV.format('<a href="#a">x</a>')}, "contained": [patient("a")]}, []),
        ({"text": {"div": DIV.format('<img src="#a"/>')}, "contained": [patient("a")]}, []),
        ({"valueString": "#a", "contained": [patient("a")]}, [0]),
        ({"contained": "a"}, []),
    ],
)
def test_orphans(resource: dict[str, Any], orphans: list[int]) -> None:
    found = check_contained({"resourceType": "Basic", **resource}, "Basic")
    assert [(one.path, one.messageId) for one in found] == [
        (f"Basic.contained[{number}]", ORPHAN) for number in orphans
    ]


def test_contained_ids_are_unique() -> None:
    resource = {"subject": to("#a"), "contained": [patient("a"), patient("a")]}
    (issue,) = check_contained(resource, "Basic")
    assert (issue.path, issue.messageId) == (
        "Basic.contained[1]",
        "RESOURCE_DUPLICATE_CONTAINED_ID",
    )
