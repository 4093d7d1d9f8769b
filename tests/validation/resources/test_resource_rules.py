"""Rules of single resource types: what no StructureDefinition can say."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation.definitions import Definitions
from adapter.validation.resources import check_resource_rules
from adapter.validation.terminology import Terminology

SD = "http://hl7.org/fhir/StructureDefinition/"
CQL_NO_LIBRARY = "MEASURE_M_CRITERIA_CQL_NO_LIB"


def issues(
    resource: dict[str, Any], release: str = "R4", *known: dict[str, Any]
) -> list[tuple[str | None, str]]:
    definitions = Definitions.shipped(release)
    for definition in known:
        definitions.add(definition)
    found = check_resource_rules(resource, release, definitions, Terminology(definitions, release))
    return [(i.messageId, i.path) for i in found]


def measure(*expressions: str, language: str = "text/cql") -> dict[str, Any]:
    population = [{"criteria": {"language": language, "expression": e}} for e in expressions]
    return {
        "resourceType": "Measure",
        "library": ["http://example.org/Library/one"],
        "group": [{"population": population}],
    }


LIBRARY = {"resourceType": "Library", "url": "http://example.org/Library/one", "name": "One"}


def test_cql_criteria_need_a_library() -> None:
    at = ".group[0].population[0].criteria"
    assert issues(measure("Initial")) == [(CQL_NO_LIBRARY, at)]
    assert issues(measure("Initial"), "R4", LIBRARY) == []
    assert issues(measure("One.Initial"), "R4", LIBRARY) == []
    found = issues(measure("Two.Initial"), "R4", LIBRARY)
    assert found == [("MEASURE_M_CRITERIA_CQL_LIB_NOT_FOUND", at)]


@pytest.mark.parametrize("language", ["text/cql-expression", "text/fhirpath", ""])
def test_other_languages_need_no_library(language: str) -> None:
    assert issues(measure("Initial", language=language)) == []


def test_hl7_guides_state_who_is_responsible() -> None:
    guide = {"resourceType": "ImplementationGuide", "url": "http://hl7.org/fhir/us/core"}
    assert issues(guide) == [
        ("IG_HL7_STANDARDS_STATUS_REQUIRED", ""),
        ("IG_HL7_WG_REQUIRED", ""),
    ]
    assert issues({**guide, "url": "http://example.org/guide"}) == []
    stated = [
        {"url": SD + "structuredefinition-standards-status", "valueCode": "trial-use"},
        {"url": SD + "structuredefinition-wg", "valueCode": "pa"},
    ]
    assert issues({**guide, "extension": stated}) == []


@pytest.mark.parametrize(
    ("dependency", "name"),
    [
        ({"uri": "http://example.org/ImplementationGuide/x"}, None),
        ({"uri": "http://example.org/x"}, "IG_DEPENDENCY_DIRECT"),
        ({"uri": "http://example.org/ImplementationGuide/x|"}, "IG_DEPENDENCY_CAN_VERSION_NONE"),
        ({"uri": "http://example.org/ImplementationGuide/x|1"}, "IG_DEPENDENCY_CAN_VERSION_ALONE"),
        ({"packageId": "hl7.fhir.us.core"}, None),
        ({"packageId": "hl7 fhir"}, "IG_DEPENDENCY_INVALID_PACKAGEID"),
    ],
)
def test_a_guide_names_what_it_depends_on(dependency: dict[str, str], name: str | None) -> None:
    guide = {"resourceType": "ImplementationGuide", "dependsOn": [dependency]}
    assert issues(guide) == ([(name, ".dependsOn[0]")] if name else [])


@pytest.mark.parametrize(
    ("given", "release", "right"),
    [
        ("string", "R4", False),
        ("token", "R4", True),
        ("token", "R4B", True),
        ("token", "R5", True),
        (None, "R5", False),
    ],
)
def test_search_parameters_have_their_type(given: str | None, release: str, right: bool) -> None:
    parameter = {"definition": "http://hl7.org/fhir/SearchParameter/Resource-id", "type": given}
    statement = {
        "resourceType": "CapabilityStatement",
        "rest": [{"resource": [{"type": "Library", "searchParam": [parameter]}]}],
    }
    expected = ("CapabalityStatement_CS_SP_WrongType", ".rest[0].resource[0].searchParam[0]")
    assert issues(statement, release) == ([] if right else [expected])


@pytest.mark.parametrize(
    ("groups", "publisher", "name"),
    [
        (["pa"], "HL7 International / Patient Administration", None),
        (["pa"], "HL7 International", None),
        (["pa"], "HL7 International / Pharmacy", "VALIDATION_HL7_PUBLISHER_MISMATCH"),
        (["vocab"], "HL7 International / Vocabulary", None),
        (["vocab"], "HL7 International / Pharmacy", "VALIDATION_HL7_PUBLISHER_MISMATCH2"),
        (["nobody"], "HL7 International", "VALIDATION_HL7_WG_UNKNOWN"),
        (["pa", "phx"], "HL7 International", "VALIDATION_HL7_PUBLISHER_MULTIPLE_WGS"),
        ([], "Somebody / else", None),
    ],
)
def test_hl7_publishes_by_work_groups(groups: list[str], publisher: str, name: str | None) -> None:
    resource = {
        "resourceType": "ValueSet",
        "url": "http://hl7.org/fhir/ValueSet/x",
        "publisher": publisher,
        "extension": [{"url": SD + "structuredefinition-wg", "valueCode": g} for g in groups],
    }
    assert issues(resource) == ([(name, "")] if name else [])


@pytest.mark.parametrize("kind", ["Measure", "ImplementationGuide", "CapabilityStatement"])
def test_malformed_content_is_left_to_others(kind: str) -> None:
    names = "group dependsOn rest library extension contact url publisher".split()
    odd: Any
    for odd in (1, "x", [], [1, None], {}, [{}], [[]]):
        assert issues({"resourceType": kind, **dict.fromkeys(names, odd)}) == []
