"""CodeSystems, ValueSets and ConceptMaps that contradict themselves or what they refer to."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation.definitions import Definitions
from adapter.validation.resources import check_resource_rules
from adapter.validation.terminology import Terminology

FHIR = "http://hl7.org/fhir/"
GENDER = FHIR + "administrative-gender"
PROPERTIES = FHIR + "concept-properties#"
SNOMED = "http://snomed.info/sct"


def issues(resource: dict[str, Any], release: str = "R4") -> list[tuple[str | None, str]]:
    definitions = Definitions.shipped(release)
    terminology = Terminology(definitions, release)
    found = check_resource_rules(resource, release, definitions, terminology)
    return [(i.messageId, i.path) for i in found]


def code_system(*codes: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "CodeSystem",
        "url": "http://example.org/cs",
        "content": "complete",
        "concept": [{"code": code} for code in codes],
        **more,
    }


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (code_system("a", "b", count=2), []),
        (code_system("a", "a"), [("CODESYSTEM_DUPLICATE_CODE", ".concept[1]")]),
        (code_system("a", count=2), [("CODESYSTEM_CS_COUNT_COMPLETE_WRONG", ".count")]),
        (
            code_system("a", content="not-present"),
            [("CODESYSTEM_CS_COUNT_NO_CONTENT_ALLOWED", ".concept[0]")],
        ),
        (
            code_system("male", supplements=GENDER, content="fragment"),
            [("CODESYSTEM_CS_HL7_PRESENT_ELEMENT_SUPPL_WRONG", ".content")],
        ),
        (
            code_system("male", "none", supplements=GENDER, content="supplement"),
            [("CODESYSTEM_CS_SUPP_INVALID_CODE", ".concept[1]")],
        ),
        (
            code_system("a", valueSet=FHIR + "ValueSet/administrative-gender"),
            [("CodeSystem_CS_VS_WrongSystem", "")],
        ),
    ],
)
def test_code_systems(system: dict[str, Any], expected: list[Any]) -> None:
    assert issues(system) == expected


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ({"code": "parent", "uri": PROPERTIES + "parent", "type": "code"}, None),
        ({"code": "mine", "uri": "http://example.org/mine", "type": "string"}, None),
        ({"code": "x", "uri": "x", "type": "code"}, "CODESYSTEM_PROPERTY_ABSOLUTE_URI"),
        (
            {"code": "x", "uri": PROPERTIES + "nothing", "type": "code"},
            "CODESYSTEM_PROPERTY_BAD_HL7_URI",
        ),
        (
            {"code": "child", "uri": PROPERTIES + "parent", "type": "code"},
            "CODESYSTEM_PROPERTY_URI_CODE_MISMATCH",
        ),
        (
            {"code": "parent", "uri": PROPERTIES + "parent", "type": "string"},
            "CODESYSTEM_PROPERTY_URI_TYPE_MISMATCH",
        ),
    ],
)
def test_properties_of_concepts(declared: dict[str, Any], name: str | None) -> None:
    found = issues(code_system("a", property=[declared]))
    assert found == ([(name, ".property[0]")] if name else [])


def test_a_supplement_refers_to_codes_of_its_system() -> None:
    given = code_system("male", supplements=GENDER, content="supplement")
    given["property"] = [{"code": "like", "type": "code"}]
    given["concept"][0]["property"] = [{"code": "like", "valueCode": "female"}]
    assert issues(given) == []
    given["concept"][0]["property"][0]["valueCode"] = "nobody"
    expected = ("CODESYSTEM_PROPERTY_BAD_INTERNAL_REFERENCE", ".concept[0].property[0]")
    assert issues(given) == [expected]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"valueCode": "a"}, None),
        ({"valueCode": "z"}, "CODESYSTEM_PROPERTY_BAD_INTERNAL_REFERENCE"),
        ({"valueString": "a"}, "CODESYSTEM_PROPERTY_WRONG_TYPE"),
        ({}, "CODESYSTEM_PROPERTY_NO_VALUE"),
    ],
)
def test_values_of_properties(value: dict[str, Any], name: str | None) -> None:
    declared = {"code": "parent", "uri": PROPERTIES + "parent", "type": "code"}
    system = code_system("a", property=[declared])
    system["concept"].append({"code": "b", "property": [{"code": "parent", **value}]})
    assert issues(system) == ([(name, ".concept[1].property[0]")] if name else [])


def include(**given: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "compose": {"include": [given]}}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"system": GENDER}, None),
        ({"system": GENDER + "|4.0.1"}, "VALUESET_REFERENCE_INVALID_TYPE_NO_VERSION_1"),
        ({"system": "gender"}, "VALUESET_INCLUDE_SYSTEM_ABSOLUTE"),
        ({"system": FHIR + "ValueSet/administrative-gender"}, "VALUESET_INCLUDE_WRONG_VS_HINT"),
    ],
)
def test_included_systems(given: dict[str, Any], name: str | None) -> None:
    assert issues(include(**given)) == ([(name, ".compose.include[0]")] if name else [])


def test_a_contained_system_is_not_meant_by_its_fragment() -> None:
    assert [name for name, _ in issues(include(system="#cs"))] == [
        "VALUESET_INCLUDE_SYSTEM_ABSOLUTE_FRAG",
        "VALUESET_INCLUDE_CS_NOT_FOUND",
    ]


@pytest.mark.parametrize(
    ("system", "condition", "name"),
    [
        (GENDER, ("concept", "is-a", "male"), None),
        (GENDER, ("concept", "in", "male,female"), None),
        (GENDER, ("concept", "=", "nobody"), "VALUESET_BAD_FILTER_VALUE_VALID_CODE"),
        (GENDER, ("inactive", "=", "no"), "VALUESET_BAD_FILTER_VALUE_BOOLEAN"),
        (GENDER, ("code", "exists", "no"), "VALUESET_BAD_FILTER_VALUE_BOOLEAN"),
        (GENDER, ("code", "regex", "("), "VALUESET_BAD_FILTER_VALUE_VALID_REGEX"),
        (GENDER, ("concept", "regex", "m.*"), "VALUESET_BAD_PROPERTY_NO_REGEX"),
        (SNOMED, ("concept", "is-a", "404684003"), None),
        (SNOMED, ("concept", "=", "404684003"), "VALUESET_BAD_FILTER_OP"),
        (GENDER, ("concept", "=", None), "VALUESET_BAD_FILTER_EXPR_OR_VALUE"),
    ],
)
def test_filters(system: str, condition: tuple[str, str, str | None], name: str | None) -> None:
    given = dict(zip(("property", "op", "value"), condition, strict=True))
    found = issues(include(system=system, filter=[{k: v for k, v in given.items() if v}]))
    assert found == ([(name, ".compose.include[0].filter[0]")] if name else [])


def test_an_expansion_names_one_version_of_a_system() -> None:
    used = [{"name": "used-codesystem", "valueUri": f"{GENDER}|{n}"} for n in (1, 2)]
    contains = [{"system": GENDER, "code": "male", "property": [{"code": "x"}]}]
    expansion = {"parameter": used, "contains": contains}
    assert issues({"resourceType": "ValueSet", "expansion": expansion}) == [
        ("VALUESET_EXPANSION_PARAMETER_SYSTEM_MULTIPLE", ".expansion"),
        ("VALUESET_EXPANSION_PROPERTY_NO_DEFN", ".expansion"),
    ]


def concept_map(source: str, target: str, **more: Any) -> dict[str, Any]:
    element = {"code": source, "target": [{"code": target, **more}]}
    group = {"source": GENDER, "target": GENDER, "element": [element]}
    return {"resourceType": "ConceptMap", "group": [group]}


def test_mapped_codes_are_those_of_their_systems() -> None:
    assert issues(concept_map("male", "female")) == []
    assert issues(concept_map("man", "woman")) == [
        ("CONCEPTMAP_GROUP_SOURCE_CODE_INVALID", ".group[0].element[0].code"),
        ("CONCEPTMAP_GROUP_TARGET_CODE_INVALID", ".group[0].element[0].target[0].code"),
    ]


def test_mapped_codes_are_in_their_value_set() -> None:
    scoped = {
        **concept_map("male", "female"),
        "sourceUri": FHIR + "ValueSet/administrative-gender",
        "targetUri": FHIR + "ValueSet/observation-status",
    }
    assert issues(scoped) == [
        ("CONCEPTMAP_GROUP_TARGET_CODE_INVALID_VS", ".group[0].element[0].target[0].code"),
    ]


def test_a_scope_is_a_value_set() -> None:
    scoped = {**concept_map("male", "female"), "sourceUri": FHIR + "StructureDefinition/Patient"}
    assert issues(scoped) == [("CONCEPTMAP_VS_NOT_A_VS", ".source")]


def test_properties_of_targets_are_declared() -> None:
    given = concept_map("male", "female", property=[{"code": "p", "valueString": "x"}])
    at = ".group[0].element[0].target[0].property[0]"
    invalid = ("CONCEPTMAP_GROUP_TARGET_PROPERTY_INVALID", at + ".code")
    assert issues(given, "R5") == [invalid]
    assert issues({**given, "property": [{"code": "p", "type": "string"}]}, "R5") == []
    mismatch = ("CONCEPTMAP_GROUP_TARGET_PROPERTY_TYPE_MISMATCH", at + ".value.ofType(string)")
    assert issues({**given, "property": [{"code": "p", "type": "boolean"}]}, "R5") == [mismatch]


@pytest.mark.parametrize("kind", ["CodeSystem", "ValueSet", "ConceptMap"])
def test_malformed_content_is_left_to_others(kind: str) -> None:
    names = "concept property count compose expansion group supplements valueSet".split()
    odd: Any
    for odd in (1, [], [1, None], {}, [{}], [[]], {"include": 1, "contains": [1]}):
        issues({"resourceType": kind, **dict.fromkeys(names, odd)})
