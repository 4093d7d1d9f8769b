"""HL7's own test suite of FHIRPath, https://github.com/FHIR/fhir-test-cases."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapter.validation.definitions import Definitions
from adapter.validation.fhirpath import Environment, NotEvaluated
from adapter.validation.fhirpath.expressions import compile_typed
from adapter.validation.fhirpath.temporal import Temporal
from adapter.validation.fhirpath.values import Node, plain, system_type, text

Json = dict[str, Any]
# A tenth of a second is added: FHIRPath counts decimals of seconds, and so does HL7's engine.
OTHERWISE = {"testPlusDate19"}


def test_the_official_suite_passes(suite: Path, inputs: dict[str, Json], r4: Definitions) -> None:
    cases = json.loads((suite / "suite.json").read_bytes())
    failed = {case["name"] for case in cases if not passes(case, inputs, r4)}
    assert failed == OTHERWISE
    assert len(cases) - len(failed) >= 934


def passes(case: Json, inputs: dict[str, Json], r4: Definitions) -> bool:
    resource = inputs.get(case["file"] or "", {})

    def conforms(value: Json, url: str) -> bool | None:
        known = r4.structure(url)
        return None if known is None else value.get("resourceType") == known["type"]

    around = Environment(resource, resource, conforms_to=conforms)
    try:
        evaluate = compile_typed(case["expr"], r4, resource.get("resourceType"), strict=True)
        found = evaluate(resource, around)
    except NotEvaluated:
        return case["invalid"] is not None
    if case["invalid"] is not None:
        return False
    if case["predicate"]:
        return [("boolean", text(bool(found)))] == expected(case)
    wanted = expected(case)
    return len(found) == len(wanted) and all(map(agrees, found, wanted))


def expected(case: Json) -> list[tuple[str | None, str]]:
    return [(one["type"], one["value"]) for one in case["out"]]


def agrees(item: Any, wanted: tuple[str | None, str]) -> bool:
    value = plain(item)
    kind = item.type.code if isinstance(item, Node) else system_type(value).code
    shown = text(value) or ""
    if isinstance(value, Temporal):
        shown = f"@T{shown}" if value.kind == "time" else f"@{shown}"
    wanted_kind, wanted_text = wanted
    if wanted_kind is not None and kind.lower() != wanted_kind.lower():
        return False
    if wanted_kind == "decimal":
        return Decimal(shown) == Decimal(wanted_text)
    return shown == wanted_text
