"""OperationDefinition: profiles of its parameters exist and are of Parameters."""

from __future__ import annotations

from adapter.validation.issues import Issue
from adapter.validation.resources.common import Json, Sources, error, text


def check(operation: Json, sources: Sources) -> list[Issue]:
    """Errors of the profiles that an operation names."""
    issues = []
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
