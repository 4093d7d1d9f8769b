"""A registration record as FHIR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapter.privacy import id_function
from adapter.sources.ctgov import read_registration
from mappings.context import CANONICAL, Context, load_tables
from mappings.registry_bundle import registration_bundle
from mappings.study_record import map_study as map_registration


def registry(file: Path, release: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """A registration record as a transaction Bundle, and the leaves it does not carry.

    A public record needs no secret: its ids come from a key that everybody knows. Raises
    SourceError for a file that is no registration.
    """
    registration = read_registration(file)
    context = Context(
        release=release,
        study=registration.study.key,
        identifier_base=f"{CANONICAL}/registrations",
        id_of=id_function(b"", registration.study.key[0]),
        tables=load_tables(release=release),
    )
    resources = [resource for _, resource in map_registration(registration.study, (), (), context)]
    return registration_bundle(resources), [each.to_json() for each in registration.dropped]
