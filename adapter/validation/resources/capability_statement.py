"""CapabilityStatement: search parameters have the type that their definition states."""

from __future__ import annotations

from adapter.validation.issues import Issue
from adapter.validation.resources.common import Json, Sources, children, error, text
from adapter.validation.resources.known_searches import search_type


def check(statement: Json, sources: Sources) -> list[Issue]:
    """Errors of the types of search parameters."""
    issues = []
    for path, rest in children(statement, "rest"):
        for path_of_resource, resource in children(rest, "resource", path):
            for at, parameter in children(resource, "searchParam", path_of_resource):
                definition = text(parameter, "definition")
                known = search_type(definition, sources) if definition else None
                given = parameter.get("type")
                if known is not None and given != known:
                    message = f"{definition} is of type {known}, not {given}"
                    issues.append(
                        error(at, message, "CapabalityStatement_CS_SP_WrongType", "invalid")
                    )
    return issues
