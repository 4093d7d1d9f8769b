"""Membership: compose, imports, filters, hierarchies, expansions."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation.definitions import Definitions
from adapter.validation.terminology import Terminology

URL = "http://hospital.example.com/"
ANIMALS: dict[str, Any] = {
    "resourceType": "CodeSystem",
    "url": URL + "animals",
    "content": "complete",
    "caseSensitive": True,
    "hierarchyMeaning": "is-a",
    "property": [
        {"code": "legs", "type": "integer"},
        {"code": "parent", "uri": "http://hl7.org/fhir/concept-properties#parent", "type": "code"},
    ],
    "concept": [
        {
            "code": "mammal",
            "display": "Mammal",
            "concept": [
                {"code": "cat", "property": [{"code": "legs", "valueInteger": 4}]},
                {"code": "bat", "property": [{"code": "legs", "valueInteger": 2}]},
            ],
        },
        {"code": "bird", "property": [{"code": "legs", "valueInteger": 2}]},
        {"code": "hen", "property": [{"code": "parent", "valueCode": "bird"}]},
    ],
}
ALL = frozenset(["mammal", "cat", "bat", "bird", "hen"])


def members(compose: dict[str, Any], *others: dict[str, Any], **more: Any) -> frozenset[str]:
    """The codes of ANIMALS that a value set has."""
    definitions = Definitions("R4")
    value_set = {"resourceType": "ValueSet", "url": URL + "vs", "compose": compose, **more}
    for resource in (ANIMALS, value_set, *others):
        definitions.add(resource)
    terminology = Terminology(definitions, "R4")
    return frozenset(
        code
        for code in ALL
        if terminology.member_of({"system": URL + "animals", "code": code}, URL + "vs")
    )


def include(**more: Any) -> dict[str, Any]:
    return {"include": [{"system": URL + "animals", **more}]}


def filtered(name: str, operator: str, value: str) -> dict[str, Any]:
    return include(filter=[{"property": name, "op": operator, "value": value}])


def test_the_whole_system() -> None:
    assert members(include()) == ALL


def test_a_list_of_concepts() -> None:
    assert members(include(concept=[{"code": "cat"}, {"code": "dog"}])) == {"cat"}


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("concept", "is-a", "mammal", {"mammal", "cat", "bat"}),
        ("concept", "descendent-of", "mammal", {"cat", "bat"}),
        ("concept", "descendent-of", "bird", {"hen"}),
        ("concept", "child-of", "mammal", {"cat", "bat"}),
        ("concept", "is-not-a", "mammal", {"bird", "hen"}),
        ("concept", "in", "cat, hen", {"cat", "hen"}),
        ("concept", "not-in", "cat,hen", {"mammal", "bat", "bird"}),
        ("concept", "generalizes", "cat", {"mammal", "cat"}),
        ("concept", "descendent-leaf", "mammal", {"cat", "bat"}),
        ("code", "regex", ".at", {"cat", "bat"}),
        ("legs", "=", "2", {"bat", "bird"}),
        ("legs", "exists", "true", {"cat", "bat", "bird"}),
        ("legs", "exists", "false", {"mammal", "hen"}),
        ("legs", "in", "3,4", {"cat"}),
        ("legs", "not-in", "3,4", {"mammal", "bat", "bird", "hen"}),
        ("legs", "regex", "[2-3]", {"bat", "bird"}),
        ("display", "=", "Mammal", {"mammal"}),
    ],
)
def test_filters(name: str, operator: str, value: str, expected: set[str]) -> None:
    assert members(filtered(name, operator, value)) == expected


@pytest.mark.parametrize(
    ("name", "operator", "value"),
    [
        ("wings", "=", "1"),
        ("concept", "like", "1"),
        ("code", "regex", "("),
        ("code", "regex", "(a+)+"),
    ],
)
def test_a_filter_without_meaning_decides_nothing(name: str, operator: str, value: str) -> None:
    assert members(filtered(name, operator, value)) == frozenset()


def test_exclude() -> None:
    compose = include() | {"exclude": [{"system": URL + "animals", "concept": [{"code": "cat"}]}]}
    assert members(compose) == ALL - {"cat"}


def test_imports_of_a_users_include_are_an_intersection() -> None:
    one = {"resourceType": "ValueSet", "url": URL + "1", "compose": filtered("legs", "=", "2")}
    two = {
        "resourceType": "ValueSet",
        "url": URL + "2",
        "compose": filtered("code", "regex", ".at"),
    }
    both = {"include": [{"valueSet": [URL + "1", URL + "2"]}]}
    assert members(both, one, two) == {"bat"}
    either = {"include": [{"valueSet": [URL + "1"]}, {"valueSet": [URL + "2"]}]}
    assert members(either, one, two) == {"bat", "bird", "cat"}


def test_an_import_that_leads_back_ends() -> None:
    circle = {"include": [{"valueSet": [URL + "vs"]}, {"system": URL + "animals"}]}
    assert members(circle) == ALL


def test_an_expansion_without_compose() -> None:
    contains = [{"abstract": True, "contains": [{"system": URL + "animals", "code": "hen"}]}]
    assert members({}, expansion={"contains": contains}) == {"hen"}


def test_codes_without_regard_to_case() -> None:
    system = {
        "resourceType": "CodeSystem",
        "url": URL + "c",
        "content": "complete",
        "concept": [{"code": "Yes"}],
    }
    value_set = {
        "resourceType": "ValueSet",
        "url": URL + "v",
        "compose": {"include": [{"system": URL + "c"}]},
    }
    definitions = Definitions("R4")
    definitions.add(system)
    definitions.add(value_set)
    terminology = Terminology(definitions, "R4")
    found = terminology.check_code("YES", URL + "v", "required", "p")
    assert [(one.severity, one.messageId) for one in found] == [
        ("information", "CODE_CASE_DIFFERENCE")
    ]


@pytest.mark.parametrize(
    ("concept", "name"),
    [
        ({"property": [{"code": "inactive", "valueBoolean": True}]}, "INACTIVE_CONCEPT_FOUND"),
        ({"property": [{"code": "status", "valueCode": "deprecated"}]}, "DEPRECATED_CONCEPT_FOUND"),
    ],
)
def test_status_of_a_concept(concept: dict[str, Any], name: str) -> None:
    system = {
        "resourceType": "CodeSystem",
        "url": URL + "c",
        "content": "complete",
        "caseSensitive": True,
        "concept": [{"code": "old", **concept}],
    }
    definitions = Definitions("R4")
    definitions.add(system)
    found = Terminology(definitions, "R4").check_coding(
        {"system": URL + "c", "code": "old"}, None, None, "p"
    )
    assert ("warning", name) in {(one.severity, one.messageId) for one in found}


def test_a_fragment_warns_of_codes_it_lacks() -> None:
    fragment = {**ANIMALS, "content": "fragment"}
    definitions = Definitions("R4")
    definitions.add(fragment)
    found = Terminology(definitions, "R4").check_coding(
        {"system": ANIMALS["url"], "code": "cow"}, None, None, "p"
    )
    assert [(one.severity, one.messageId) for one in found] == [
        ("warning", "UNKNOWN_CODE_IN_FRAGMENT")
    ]


def test_a_supplement_adds_designations() -> None:
    definitions = Definitions("R4")
    definitions.add(ANIMALS)
    terminology = Terminology(definitions, "R4")
    names = [{"language": "en", "value": "House cat"}]
    terminology.add_supplement(
        {
            "resourceType": "CodeSystem",
            "content": "supplement",
            "supplements": ANIMALS["url"],
            "concept": [{"code": "cat", "designation": names}],
        }
    )
    coding = {"system": ANIMALS["url"], "code": "cat", "display": "house cat"}
    assert terminology.check_coding(coding, None, None, "p") == []
    wrong = terminology.check_coding({**coding, "display": "dog"}, None, None, "p")
    assert [one.path for one in wrong] == ["p.display"]


@pytest.mark.parametrize(
    "broken",
    [
        {"compose": "all"},
        {"compose": {"include": ["all"]}},
        {"compose": {"include": [{"system": URL + "animals", "filter": {"op": 1}}]}},
        {"compose": {"include": [{"system": URL + "animals", "concept": [7]}]}},
        {"expansion": {"contains": [1]}},
    ],
)
def test_a_definition_that_is_not_fhir_decides_nothing(broken: dict[str, Any]) -> None:
    definitions = Definitions("R4")
    definitions.add(ANIMALS)
    definitions.add({"resourceType": "ValueSet", "url": URL + "vs", **broken})
    terminology = Terminology(definitions, "R4")
    found = terminology.check_coding(
        {"system": ANIMALS["url"], "code": "cat"}, URL + "vs", "required", "p"
    )
    assert all(one.path.startswith("p") for one in found)


def test_a_long_chain_of_imports_ends() -> None:
    definitions = Definitions("R4")
    for number in range(3000):
        compose = {"include": [{"valueSet": [f"{URL}{number + 1}"]}]}
        definitions.add({"resourceType": "ValueSet", "url": f"{URL}{number}", "compose": compose})
    terminology = Terminology(definitions, "R4")
    assert terminology.check_coding({"system": "urn:x:y", "code": "1"}, URL + "0", "required", "p")
    assert terminology.member_of("1", URL + "0") is None
