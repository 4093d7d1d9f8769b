"""Writes our definitions onto a server, so that it knows the profiles which resources claim.

https://hl7.org/fhir/R4/http.html#update
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from adapter.fhir.bundles import read_all
from adapter.fhir.capability import read_capability
from adapter.fhir.json import equal
from adapter.fhir.transport import Refusal, Transport
from adapter.profiles.definitions import published

Resource = dict[str, Any]
# What stands on another definition comes after it; guides and statements are no server's business.
ORDER = ("CodeSystem", "ValueSet", "StructureDefinition", "SearchParameter", "ConceptMap")
PREFIX = "study-fhir-"  # a server has one name space for everybody's definitions
READ = 100  # definitions read at once


@dataclass(slots=True)
class ProfilesPushed:
    """What became of each definition; ``refused`` names those with the server's HTTP status."""

    counts: Counter[str] = field(default_factory=Counter)  # created, updated, unchanged, refused
    refused: dict[str, int] = field(default_factory=dict)


def push(
    transport: Transport, release: str, progress: Callable[[str, int, int], None]
) -> ProfilesPushed:
    """Bring a server's copy of our definitions in step; what it holds already is left alone.

    Raises ConfigurationError when the server speaks another FHIR release, and what the transport
    raises for a server that is away or asks for authentication.
    """
    capability = read_capability(transport, release)
    wanted = [each for each in ordered(published(release)) if each["resourceType"] in ORDER]
    pushed = ProfilesPushed()
    for start in range(0, len(wanted), READ):
        part = wanted[start : start + READ]
        held = read_all(transport, [_place(each) for each in part])
        for each in part:
            if capability.of(each["resourceType"]).is_closed:
                outcome = "refused"
                pushed.refused[_place(each)] = 405
            else:
                outcome = _write(transport, each, held.get(_place(each)), pushed)
            pushed.counts[outcome] += 1
        progress("definitions", start + len(part), len(wanted))
    return pushed


def ordered(definitions: Iterable[Resource]) -> list[Resource]:
    """Definitions so that each stands after those it is based on."""
    found = sorted(definitions, key=lambda each: _rank(each["resourceType"]))
    bases = {each["url"]: each.get("baseDefinition") for each in found}

    def depth(each: Resource) -> int:
        base, steps = bases[each["url"]], 0
        while base in bases:
            base, steps = bases[base], steps + 1
        return steps

    return sorted(found, key=lambda each: (_rank(each["resourceType"]), depth(each)))


def _rank(resource_type: str) -> int:
    return ORDER.index(resource_type) if resource_type in ORDER else len(ORDER)


def _place(definition: Resource) -> str:
    return f"{definition['resourceType']}/{PREFIX}{definition['id']}"


def _write(
    transport: Transport, definition: Resource, held: Resource | None, pushed: ProfilesPushed
) -> str:
    sent = {**definition, "id": f"{PREFIX}{definition['id']}"}
    if held is not None and equal(sent, held):
        return "unchanged"
    try:
        transport.put(_place(definition), sent)
    except Refusal as refusal:
        pushed.refused[_place(definition)] = refusal.status
        return "refused"
    return "updated" if held is not None else "created"
