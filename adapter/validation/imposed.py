"""Profiles that FHIR imposes by what a resource says, without any ``meta.profile``.

Vital signs: https://hl7.org/fhir/R4/observation-vitalsigns.html; the codes that count as one, and
their order, are those of HL7's validator (``data/imposed_profiles.csv``).
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent / "data" / "imposed_profiles.csv"


@cache
def _by_code() -> dict[tuple[str, str], tuple[int, str]]:
    """(system, code) -> (rank, profile); LOINC comes before SNOMED CT, the first row wins."""
    with TABLE.open(newline="", encoding="utf-8") as lines:
        return {
            (row["system"], row["code"]): (rank, row["profile"])
            for rank, row in enumerate(csv.DictReader(lines))
        }


def imposed_profiles(resource: dict[str, Any]) -> list[str]:
    """The canonicals of the profiles that a resource must meet because of its code."""
    if resource.get("resourceType") != "Observation":
        return []
    code = resource.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    if not isinstance(codings, list):
        return []
    known = _by_code()
    found = [
        hit
        for coding in codings
        if isinstance(coding, dict)
        and (hit := known.get((str(coding.get("system")), str(coding.get("code")))))
    ]
    return [min(found)[1]] if found else []
