"""OperationDefinition: profiles of its parameters exist and are of Parameters."""

from __future__ import annotations

from adapter.validation.issues import Issue
from adapter.validation.resources.common import Json, Sources, error, text


def check(operation: Json, sources: Sources) -> list[Issue]:
    """Errors of the profiles that an operation names."""
    issues = _check_base(operation, sources)
    for name in ("inputProfile", "outputProfile"):
        url = text(operation, name)
        if url is None:
            continue
        profile = sources.definitions.structure(url)
        if profile is None:
            message = f"the profile {url} is unknown"
            issues.append(error(f".{name}", message, "OPDEF_PROFILE_NOT_FOUND", "not-found"))
        elif profile.get("type") != "Parameters":
            message = f"the profile {url} is not of Parameters"
            issues.append(error(f".{name}", message, "OPDEF_PROFILE_NOT_PARAMETERS", "invalid"))
    return issues


def _check_base(operation: Json, sources: Sources) -> list[Issue]:
    url, base = text(operation, "url"), text(operation, "base")
    seen: set[str] = set()
    while base is not None and base not in seen:
        if base == url:
            message = f"the operation {url} is based on itself"
            return [error("", message, "OPDEF_CIRCULAR_DEFINITION", "unknown")]
        seen.add(base)
        base = text(sources.definitions.find("OperationDefinition", base) or {}, "base")
    return []
