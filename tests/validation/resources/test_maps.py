"""StructureMaps whose rules name what does not exist."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation.definitions import Definitions
from adapter.validation.resources import check_resource_rules
from adapter.validation.terminology import Terminology

PATIENT = "http://hl7.org/fhir/StructureDefinition/Patient"


def issues(content: dict[str, Any], release: str = "R5") -> list[tuple[str | None, str]]:
    definitions = Definitions.shipped(release)
    found = check_resource_rules(
        {"resourceType": "StructureMap", **content},
        release,
        definitions,
        Terminology(definitions, release),
    )
    return [(i.messageId, i.path) for i in found]


def group(*rules: dict[str, Any], name: str = "main", typed: bool = True) -> dict[str, Any]:
    kinds = {"source": "Patient", "target": "Person"} if typed else {}
    inputs = [
        {"name": given, "mode": mode, **({"type": kinds[mode]} if typed else {})}
        for given, mode in (("src", "source"), ("tgt", "target"))
    ]
    return {"name": name, "input": inputs, "rule": list(rules)}


def rule(
    source: dict[str, Any], target: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return {"name": "r", "source": [source], **({"target": [target]} if target else {}), **more}


def test_a_map_without_fault() -> None:
    copied = rule(
        {"context": "src", "element": "name", "variable": "n"},
        {"context": "tgt", "element": "name", "variable": "m"},
        rule=[
            rule(
                {"context": "n", "element": "family", "variable": "f"},
                {"context": "m", "element": "family", "transform": "copy"},
            )
        ],
    )
    assert issues({"group": [group(copied)]}) == []


@pytest.mark.parametrize(
    ("broken", "name", "path"),
    [
        (rule({"context": "other"}), "SM_SOURCE_CONTEXT_UNKNOWN", ".source[0]"),
        (rule({"context": "src", "element": "nam"}), "SM_SOURCE_PATH_INVALID", ".source[0]"),
        (rule({"context": "a-b"}), "SM_NAME_INVALID", ".source[0]"),
        (
            rule({"context": "src", "element": "deceased", "type": "Quantity"}),
            "SM_SOURCE_TYPE_INVALID",
            ".source[0]",
        ),
        (rule({"context": "src"}, {"context": "src"}), "SM_TARGET_CONTEXT_UNKNOWN", ".target[0]"),
        (
            rule({"context": "src"}, {"context": "tgt", "element": "nameFirst"}),
            "SM_TARGET_PATH_INVALID",
            ".target[0]",
        ),
        (
            rule({"context": "src"}, {"context": "tgt", "element": "name", "transform": "cc"}),
            "SM_TARGET_TRANSFORM_MISSING_PARAMS",
            ".target[0]",
        ),
        (rule({"context": "src"}, dependent=[{"name": "x"}]), "SM_RULEGROUP_NOT_FOUND", None),
        (
            rule({"context": "src"}, dependent=[{"name": "main"}]),
            "SM_RULEGROUP_PARAM_COUNT_MISMATCH",
            None,
        ),
    ],
)
def test_a_fault_in_a_rule(broken: dict[str, Any], name: str, path: str | None) -> None:
    at = f".group[0].rule[0]{path or '.dependent[0]'}"
    assert issues({"group": [group(broken)]}) == [(name, at)]


def test_a_call_gives_types_to_the_group_it_names() -> None:
    call = rule(
        {"context": "src", "element": "name", "variable": "n"},
        {"context": "tgt", "element": "name", "variable": "m"},
        dependent=[{"name": "called", "parameter": [{"valueId": "n"}, {"valueId": "m"}]}],
    )
    called = group(rule({"context": "src", "element": "birthDate"}), name="called", typed=False)
    found = issues({"group": [group(call), called]})
    assert found == [("SM_SOURCE_PATH_INVALID", ".group[1].rule[0].source[0]")]


def test_r4_passes_variables_by_name() -> None:
    call = rule({"context": "src"}, dependent=[{"name": "main", "variable": ["src", "gone"]}])
    found = issues({"group": [group(call)]}, "R4")
    assert found == [("SM_DEPENDENT_PARAM_NOT_FOUND", ".group[0].rule[0].dependent[0].variable[1]")]


def test_an_alias_of_a_structure_is_a_type() -> None:
    known = group(rule({"context": "src", "element": "nothing"}))
    known["input"][0]["type"] = "Source"
    structure = {"url": PATIENT, "mode": "source", "alias": "Source"}
    found = issues({"structure": [structure], "group": [known]})
    assert found == [("SM_SOURCE_PATH_INVALID", ".group[0].rule[0].source[0]")]
    found = issues({"structure": [{**structure, "mode": "target"}], "group": [known]})
    assert found == [("SM_SOURCE_PATH_INVALID", ".group[0].rule[0].source[0]")]


def test_inputs_are_distinct_and_have_a_mode() -> None:
    inputs = [
        {"name": "src", "mode": "source"},
        {"name": "src", "mode": "target"},
        {"name": "tgt", "mode": "targets"},
        {"name": "more", "mode": "source", "type": "NoSuchType"},
    ]
    assert issues({"group": [{"name": "main", "input": inputs}]}) == [
        ("SM_GROUP_INPUT_DUPLICATE", ".group[0].input[1]"),
        ("SM_GROUP_INPUT_MODE_INVALID", ".group[0].input[2]"),
        ("SM_GROUP_INPUT_TYPE_UNKNOWN_TYPE", ".group[0].input[3]"),
    ]
