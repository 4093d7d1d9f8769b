"""Where our definitions are named: the canonical base of the project."""

from __future__ import annotations

import re

CANONICAL = "https://w3id.org/study-fhir-adapter"


def profile_url(name: str) -> str:
    """The canonical URL of our profile of this name, the same in every release."""
    return f"{CANONICAL}/StructureDefinition/{name}"


def computable_name(name: str) -> str:
    """``specimen-type`` as ``SpecimenType``: the name of a definition that programs may use."""
    return "".join(word[0].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", name))
