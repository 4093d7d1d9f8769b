"""Where our definitions are named: the canonical base of the project."""

from __future__ import annotations

CANONICAL = "https://w3id.org/study-fhir-adapter"


def profile_url(name: str) -> str:
    """The canonical URL of our profile of this name, the same in every release."""
    return f"{CANONICAL}/StructureDefinition/{name}"
