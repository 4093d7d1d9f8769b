"""The same invariants in another engine, on HL7's sample resources."""

from __future__ import annotations

import warnings
from itertools import zip_longest
from typing import Any

import pytest

from adapter.validation.definitions import Definitions
from adapter.validation.fhirpath import Environment, compile_invariant
from adapter.validation.fhirpath.expressions import repair
from adapter.validation.fhirpath.types import Types, types_of

Json = dict[str, Any]
Found = list[tuple[str, Any]]


def elements(value: Any, kind: str, types: Types) -> Found:
    """An object and all within it, each with the name of its type."""
    found: Found = [(kind, value)]
    if not isinstance(value, dict):
        return found
    known = types.needed(kind)
    for key, held in value.items():
        if key in known.keys:
            code = known.keys[key].choices[key]
            for one, _ in zip_longest(held if isinstance(held, list) else [held], ()):
                if isinstance(one, dict):
                    found += elements(one, one.get("resourceType", code), types)
    return found


def test_both_engines_agree(inputs: dict[str, Json], r4: Definitions) -> None:
    fhirpathpy = pytest.importorskip("fhirpathpy")
    from fhirpathpy.models import models

    types, compared = types_of(r4), 0
    for resource in inputs.values():
        around = {"resource": resource, "rootResource": resource}
        for kind, value in elements(resource, resource["resourceType"], types):
            for key, expression in constraints(r4, kind):
                meant = repair(expression, key, "R4")
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        based = {"base": kind, "expression": meant}
                        theirs = fhirpathpy.evaluate(value, based, around, models["r4"])
                    except Exception:  # noqa: S112 - what it cannot evaluate
                        continue
                if len(theirs) != 1 or not isinstance(theirs[0], bool):
                    continue
                compared += 1
                ours = compile_invariant(expression, r4, kind, key)
                assert ours(value, None, Environment(resource, resource)) is theirs[0], (key, value)
    assert compared > 200


def constraints(r4: Definitions, kind: str) -> list[tuple[str, str]]:
    structure = r4.structure(kind.partition(".")[0])
    for element in structure["snapshot"]["element"] if structure else ():
        if element["path"] == kind:
            found = element.get("constraint", ())
            return [(c["key"], c["expression"]) for c in found if "expression" in c]
    return []
