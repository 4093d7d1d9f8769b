"""Our own definitions: the profiles of ``profiles/r4`` and ``r5``, and what the code tables say.

A profile is a file named after it, so that only those that a resource claims are read. Value sets
and code systems are made of ``mappings/codes``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson

from adapter.locate import shipped
from mappings.code_system import code_systems
from mappings.context import load_tables
from mappings.locations import CANONICAL
from mappings.value_set import any_coding, value_set

Resource = dict[str, Any]
FOLDERS = {"R4": "r4", "R4B": "r4", "R5": "r5"}  # what R4B says of a study's resources is R4's


def own_definition(release: str, kind: str, url: str) -> Resource | None:
    """Our definition with this canonical URL, as it is in a release."""
    if not url.startswith(f"{CANONICAL}/{kind}/"):
        return None
    if kind == "StructureDefinition":
        file = folder(release) / f"{kind}-{url.rpartition('/')[2]}.json"
        return orjson.loads(file.read_bytes()) if file.is_file() else None
    return _terminology(release).get(url)


def own_urls(release: str, kind: str) -> list[str]:
    """The canonical URLs of our definitions of a kind."""
    if kind == "StructureDefinition":
        names = sorted(file.stem.partition("-")[2] for file in folder(release).glob(f"{kind}-*"))
        return [f"{CANONICAL}/{kind}/{name}" for name in names]
    return [url for url, found in _terminology(release).items() if found["resourceType"] == kind]


def folder(release: str) -> Path:
    """Where the profiles of a release lie: in a checkout, or in an installed wheel."""
    return shipped("profiles") / FOLDERS[release]


@cache
def _terminology(release: str) -> dict[str, Resource]:
    """Value sets of the codes that anybody may use; code systems with every term there is."""
    tables = load_tables("gps", release).values()
    sets = [value_set(table) for table in tables if any_coding(table)]
    systems = code_systems(load_tables("all", release))
    return {found["url"]: found for found in (*sets, *systems)}
