"""CapabilityStatement: search parameters have the type that their definition states."""

from __future__ import annotations

import zipfile
from functools import cache

import orjson

from adapter.validation.definitions import VERSIONS, folder
from adapter.validation.issues import Issue
from adapter.validation.resources.common import Json, Sources, children, error, text


def check(statement: Json, sources: Sources) -> list[Issue]:
    """Errors of the types of search parameters."""
    issues = []
    for path, rest in children(statement, "rest"):
        for path_of_resource, resource in children(rest, "resource", path):
            for at, parameter in children(resource, "searchParam", path_of_resource):
                definition = text(parameter, "definition")
                known = _type_of(definition, sources) if definition else None
                given = parameter.get("type")
                if known is not None and given != known:
                    message = f"{definition} is of type {known}, not {given}"
                    issues.append(
                        error(at, message, "CapabalityStatement_CS_SP_WrongType", "invalid")
                    )
    return issues


def _type_of(definition: str, sources: Sources) -> str | None:
    user = sources.definitions.find("SearchParameter", definition)
    if user is not None:
        return text(user, "type")
    url, bar, version = definition.partition("|")
    if bar and not VERSIONS[sources.release].startswith(version):
        return None
    return search_parameters(sources.release).get(url)


@cache
def search_parameters(release: str) -> dict[str, str]:
    """The types of the official search parameters of a release by their URL."""
    with zipfile.ZipFile(folder() / "search-parameters.zip") as types:
        found: dict[str, str] = orjson.loads(types.read(f"{release}.json"))
        return found
