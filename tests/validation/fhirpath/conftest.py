"""What the FHIRPath tests share: the official definitions, and HL7's test suite."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.validation.definitions import Definitions
from adapter.validation.fhirpath import Environment, compile_expression, compile_invariant

Json = dict[str, Any]


@pytest.fixture(scope="session")
def r4() -> Definitions:
    return Definitions.shipped("R4")


@pytest.fixture(scope="session")
def r5() -> Definitions:
    return Definitions.shipped("R5")


@pytest.fixture
def ask(r4: Definitions) -> Callable[..., list[Any]]:
    """The values of an expression for a resource, or for nothing."""

    def evaluate(text: str, resource: Json | None = None, **around: Any) -> list[Any]:
        focus = resource or {"resourceType": "Patient"}
        compiled = compile_expression(text, r4, focus["resourceType"])
        return compiled(focus, Environment(focus, focus, **around))

    return evaluate


@pytest.fixture
def holds(r4: Definitions) -> Callable[..., bool]:
    """Whether an invariant holds for the JSON of a type or element."""

    def test(
        text: str, context: str, value: Any, sibling: Any = None, root: Json | None = None
    ) -> bool:
        resource = root or (value if isinstance(value, dict) else {})
        around = Environment(resource, resource)
        return compile_invariant(text, r4, context)(value, sibling, around)

    return test


@pytest.fixture(scope="session")
def suite() -> Path:
    """The folder of HL7's FHIRPath test suite."""
    folder = os.environ.get("STUDY_FHIR_SAMPLES")
    found = Path(folder or "") / "fhir-test-cases" / "fhirpath"
    if not folder or not found.is_dir():
        pytest.skip("no samples: set STUDY_FHIR_SAMPLES to a folder with fhir-test-cases/fhirpath")
    return found


@pytest.fixture(scope="session")
def inputs(suite: Path) -> dict[str, Json]:
    """The resources that the suite's expressions are asked of, by the name of their file."""
    return {
        path.name: json.loads(path.read_bytes(), parse_float=Decimal)
        for path in (suite / "input").glob("*.json")
    }
