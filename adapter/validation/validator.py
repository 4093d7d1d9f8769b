"""Checks resources against their release's base definitions.

Behind the interface stand the models of ``fhir.resources`` (R4B, whose elements are R4's for the
types that studies use). They know names, types and cardinalities, and neither bindings nor
invariants nor profiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from adapter.errors import UsageError
from adapter.validation.issues import Issue

PACKAGES = {"R4": "fhir.resources.R4B", "R4B": "fhir.resources.R4B"}
# pydantic's error types in the words of http://hl7.org/fhir/issue-type
CODES = {"missing": "required", "extra_forbidden": "structure", "value_error": "value"}


class Validator:
    """Validates resources of one FHIR release.

    Raises UsageError for a release or packages this version cannot check.
    """

    def __init__(self, release: str = "R4", packages: Iterable[str | Path] = ()):
        if release not in PACKAGES:
            raise UsageError(f"FHIR release {release} cannot be validated by this version")
        if tuple(packages):
            raise UsageError("profiles cannot be validated by this version")
        self.release = release

    def validate(
        self, resource: dict[str, Any] | bytes | str, profiles: Sequence[str] = ()
    ) -> list[Issue]:
        """All issues of a resource (``str`` and ``bytes``: JSON text); messages hold no values."""
        if profiles:
            raise UsageError("profiles cannot be validated by this version")
        if isinstance(resource, bytes | str):
            try:
                resource = orjson.loads(resource)
            except orjson.JSONDecodeError as error:
                text = f"not JSON: line {error.lineno}, column {error.colno}"
                return [Issue("fatal", "structure", "", text)]
        if not isinstance(resource, dict):
            return [Issue("fatal", "structure", "", "a resource is a JSON object")]
        return self._check(resource)

    def is_valid(self, resource: dict[str, Any] | bytes | str) -> bool:
        """True when there is no issue of severity error or fatal."""
        return not any(i.severity in ("error", "fatal") for i in self.validate(resource))

    def _check(self, resource: dict[str, Any]) -> list[Issue]:
        kind = resource.get("resourceType")
        model = _model(PACKAGES[self.release], kind) if isinstance(kind, str) else None
        if model is None:
            return [Issue("error", "structure", "", "resourceType names no resource")]
        try:
            model.model_validate(resource)
        except ValidationError as error:
            return [_issue(resource, found) for found in error.errors(include_input=False)]
        return []


@cache
def _model(package: str, kind: str) -> type[BaseModel] | None:
    if not kind.isalnum():
        return None
    try:
        found = getattr(import_module(f"{package}.{kind.lower()}"), kind, None)
    except ModuleNotFoundError:
        return None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _issue(resource: dict[str, Any], found: Any) -> Issue:
    path = resource["resourceType"]
    for part in found["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    kind = found["type"]
    return Issue(
        severity="error",
        code=CODES.get(kind, "invalid"),
        path=path,
        message=kind.replace("_", " "),
        resourceType=resource["resourceType"],
        id=resource.get("id"),
    )
