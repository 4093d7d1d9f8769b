"""The types of search parameters: those of FHIR, and a user's."""

from __future__ import annotations

import zipfile
from functools import cache

import orjson

from adapter.validation.definitions import VERSIONS, folder
from adapter.validation.resources.common import Sources, text


def search_type(definition: str, sources: Sources) -> str | None:
    """The type of a search parameter by its canonical; None when it is unknown."""
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
