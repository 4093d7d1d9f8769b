"""StructureDefinitions, SearchParameters and OperationDefinitions that cannot be used."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation.definitions import Definitions
from adapter.validation.resources import check_resource_rules
from adapter.validation.terminology import Terminology

SD = "http://hl7.org/fhir/StructureDefinition/"


def issues(resource: dict[str, Any], release: str = "R4") -> list[tuple[str | None, str]]:
    definitions = Definitions.shipped(release)
    terminology = Terminology(definitions, release)
    found = check_resource_rules(resource, release, definitions, terminology)
    return [(i.messageId, i.path) for i in found]


def profile(*elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "url": "http://example.org/StructureDefinition/p",
        "kind": "resource",
        "type": "Patient",
        "baseDefinition": SD + "Patient",
        "derivation": "constraint",
        "differential": {"element": [{"id": e["path"], **e} for e in elements]},
        **more,
    }


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({}, []),
        ({"type": "Person"}, ["SD_CONSTRAINED_TYPE_NO_MATCH"]),
        ({"type": "Nobody"}, ["SD_TYPE_NOT_LOCAL", "SD_CONSTRAINED_TYPE_NO_MATCH"]),
        ({"kind": "logical"}, ["SD_CONSTRAINED_KIND_NO_MATCH", "SD_DERIVATION_KIND_MISMATCH"]),
        ({"derivation": None}, ["SD_TYPE_NOT_DERIVED", "SD_MUST_HAVE_DERIVATION"]),
        (
            {"derivation": "specialization"},
            ["SD_TYPE_NOT_DERIVED", "SD_SPECIALIZED_TYPE_MATCHES"],
        ),
        ({"context": [{"type": "element"}]}, ["SD_NO_CONTEXT_WHEN_NOT_EXTENSION"]),
    ],
)
def test_a_profile_is_of_its_base(more: dict[str, Any], names: list[str]) -> None:
    assert [name for name, _ in issues(profile(**more))] == names


@pytest.mark.parametrize(
    ("element", "name", "below"),
    [
        ({"path": "Patient.name", "min": 1}, None, ""),
        ({"path": "Person.name"}, "SD_PATH_TYPE_MISMATCH", ""),
        ({"path": "Patient", "slicing": {"rules": "open"}}, "SD_NO_SLICING_ON_ROOT", ""),
        ({"path": "Patient.birthDate", "slicing": {}}, "SD_PATH_NO_SLICING", ".slicing"),
        (
            {
                "path": "Patient.identifier",
                "type": [{"code": "Identifier"}],
                "slicing": {"discriminator": [{"type": "value", "path": "sytem"}]},
            },
            "SD_PATH_NOT_VALID",
            ".slicing.discriminator[0]",
        ),
        (
            {"path": "Patient.active", "type": [{"code": "boolean"}], "maxLength": 3},
            "SD_ILLEGAL_CHARACTERISTICS",
            "",
        ),
        (
            {"path": "Patient.contact", "type": [{"code": "HumanName"}], "binding": {}},
            "SD_ILLEGAL_CHARACTERISTICS",
            "",
        ),
        (
            {"path": "Patient.name", "type": [{"code": "HumanName", "profile": [SD + "bp"]}]},
            "SD_ED_TYPE_PROFILE_WRONG",
            ".type[0].profile[0]",
        ),
        (
            {
                "path": "Patient.managingOrganization",
                "type": [{"code": "Reference", "targetProfile": [SD + "string"]}],
            },
            "SD_ED_TYPE_PROFILE_WRONG_TARGET",
            ".type[0].targetProfile[0]",
        ),
        (
            {
                "path": "Patient.name",
                "constraint": [
                    {"key": "x-1", "expression": "true", "source": "http://example.org/other"}
                ],
            },
            "ED_INVARIANT_DIFF_NO_SOURCE",
            ".constraint[0]",
        ),
    ],
)
def test_elements(element: dict[str, Any], name: str | None, below: str) -> None:
    expected = [(name, f".differential.element[0]{below}")] if name else []
    assert issues(profile(element)) == expected


@pytest.mark.parametrize(
    ("element", "name", "below"),
    [
        ({"path": "Patient.name", "type": [{"code": "HumanName"}]}, None, ""),
        ({"path": "Patient.name"}, "SD_NO_TYPES_OR_CONTENTREF", ""),
        (
            {"path": "Patient.active", "type": [{"code": "boolean"}], "fixedString": "yes"},
            "SD_VALUE_TYPE_IILEGAL",
            ".fixed.ofType(string)",
        ),
        (
            {
                "path": "Patient.name",
                "type": [{"code": "HumanName"}],
                "constraint": [{"key": "x-1", "expression": "familyName.exists()"}],
            },
            "ED_INVARIANT_EXPRESSION_ERROR",
            ".constraint[0]",
        ),
    ],
)
def test_elements_of_a_snapshot(element: dict[str, Any], name: str | None, below: str) -> None:
    given = profile(snapshot={"element": [{"id": element["path"], **element}]})
    assert issues(given) == ([(name, f".snapshot.element[0]{below}")] if name else [])


def test_a_bound_element_has_a_type_for_it() -> None:
    element = {"path": "Patient.name", "type": [{"code": "HumanName"}], "binding": {}}
    given = profile(snapshot={"element": [{"id": "Patient.name", **element}]})
    assert [name for name, _ in issues(given)] == [
        "SD_ILLEGAL_CHARACTERISTICS",
        "SD_ED_BIND_NO_BINDABLE",
    ]


def test_a_type_of_its_own_repeats_what_it_refines() -> None:
    given = profile(
        snapshot={"element": [{"id": "Mine.x", "path": "Mine.x", "type": [{"code": "string"}]}]},
        kind="logical",
        type="http://example.org/Mine",
        baseDefinition=SD + "Element",
        derivation="specialization",
    )
    assert issues(given) == [("SD_TABLE_REQUIRED", ".snapshot.element[0]")] * 2


def extension(url: str, *contexts: str, **more: Any) -> dict[str, Any]:
    return profile(
        {"path": "Extension"},
        {"path": "Extension.url", "fixedUri": url},
        url="http://example.org/StructureDefinition/x",
        kind="complex-type",
        type="Extension",
        baseDefinition=SD + "Extension",
        context=[{"type": "element", "expression": c} for c in contexts],
        **more,
    )


def test_an_extension_fixes_its_url() -> None:
    url = "http://example.org/StructureDefinition/x"
    assert issues(extension(url)) == []
    assert issues(extension(url + "y")) == [("SD_EXTENSION_URL_MISMATCH", "")]


@pytest.mark.parametrize("expression", ["Patient", "Patient.contact.name", "CanonicalResource"])
def test_an_extension_stands_on_elements(expression: str) -> None:
    assert issues(extension("http://example.org/StructureDefinition/x", expression)) == []


@pytest.mark.parametrize("expression", ["Patiens", "Patient.contact.nam"])
def test_an_extension_stands_on_no_unknown_element(expression: str) -> None:
    found = issues(extension("http://example.org/StructureDefinition/x", expression))
    assert found == [("SD_CONTEXT_SHOULD_ELEMENT_NOT_FOUND", ".context[0]")]


def test_invariants_of_a_context_are_fhirpath() -> None:
    given = extension(
        "http://example.org/StructureDefinition/x", "Patient", contextInvariant=["a b"]
    )
    assert issues(given) == [("ED_CONTEXT_INVARIANT_EXPRESSION_ERROR", ".contextInvariant[0]")]


@pytest.mark.parametrize(
    ("expression", "right"),
    [
        ("Patient.name.given | Patient.name.family", True),
        ("Patient.name.where(use = 'official').family", True),
        ("Patient.nam", False),
        ("Patient.name.where(", False),
    ],
)
def test_search_expressions(expression: str, right: bool) -> None:
    parameter = {
        "resourceType": "SearchParameter",
        "type": "string",
        "base": ["Patient"],
        "expression": expression,
    }
    expected = [("ED_SEARCH_EXPRESSION_ERROR", ".expression")]
    assert issues(parameter) == ([] if right else expected)


def test_composite_parameters_have_components() -> None:
    parameter = {"resourceType": "SearchParameter", "type": "composite", "component": [{}]}
    assert issues(parameter) == [("SEARCHPARAMETER_MISSING_COMPONENTS", "")]
    assert issues({**parameter, "component": [{}, {}]}) == []


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (SD + "Parameters", None),
        (SD + "Patient", "OPDEF_PROFILE_NOT_PARAMETERS"),
        (SD + "Nothing", "OPDEF_PROFILE_NOT_FOUND"),
    ],
)
def test_operations_have_profiles_of_parameters(url: str, name: str | None) -> None:
    operation = {"resourceType": "OperationDefinition", "outputProfile": url}
    assert issues(operation) == ([(name, ".outputProfile")] if name else [])


@pytest.mark.parametrize(
    "kind", ["StructureDefinition", "SearchParameter", "OperationDefinition", "StructureMap"]
)
def test_malformed_content_is_left_to_others(kind: str) -> None:
    names = "element context type base expression group differential snapshot component".split()
    given = {"baseDefinition": SD + "Patient", "derivation": "constraint"}
    odd: Any
    for odd in (1, "x", [], [1, None], {}, [{}], [[]], {"element": [{"path": "a", "type": 1}]}):
        issues({"resourceType": kind, **given, **dict.fromkeys(names, odd)})


@pytest.mark.parametrize(
    ("base", "expression", "right"),
    [
        (["Patient", "Person"], "Patient.name | Person.name", True),
        (["Patient", "Person"], "Patient.contact | Person.link", True),
        (["Patient", "Person"], "Patient.name | Group.name", False),
        (["Resource"], "Resource.id", True),
        (["DomainResource"], "Patient.name", False),
        (["Nobody"], "Nobody.name", False),
    ],
)
def test_each_united_path_is_of_a_base(base: list[str], expression: str, right: bool) -> None:
    parameter = {
        "resourceType": "SearchParameter",
        "type": "string",
        "base": base,
        "expression": expression,
    }
    assert (issues(parameter) == []) is right


def test_a_derived_search_parameter_keeps_the_type() -> None:
    parameter = {
        "resourceType": "SearchParameter",
        "type": "string",
        "derivedFrom": "http://hl7.org/fhir/SearchParameter/Resource-id",
    }
    assert issues(parameter) == [("SEARCHPARAMETER_TYPE_WRONG", "")]
    assert issues({**parameter, "type": "token"}) == []


def test_an_operation_is_not_based_on_itself() -> None:
    url = "http://example.org/OperationDefinition/o"
    operation = {"resourceType": "OperationDefinition", "url": url, "base": url}
    assert issues(operation) == [("OPDEF_CIRCULAR_DEFINITION", "")]
