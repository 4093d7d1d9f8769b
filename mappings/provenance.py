"""What a run wrote -> Provenance.

https://hl7.org/fhir/R4/provenance.html  https://hl7.org/fhir/R5/provenance.html
"""

from __future__ import annotations

from dataclasses import dataclass

from mappings.context import PSEUDED, Context, Resource
from mappings.entities import Key
from mappings.locations import CANONICAL

SOFTWARE = "study-fhir-adapter"


@dataclass(frozen=True, slots=True)
class Written:
    """What one run wrote of one subject ("" for the study as a whole).

    ``recorded`` is an instant, ``references`` are ``Type/id``, ``version`` is the adapter's.
    """

    key: Key
    subject: str
    recorded: str
    is_new: bool  # all of it was created, nothing revised
    references: tuple[str, ...]
    version: str


def provenance(written: Written, to: Context) -> Resource:
    """Which resources were written when, and by which software."""
    activity = "create" if written.is_new else "update"
    resource = to.resource(
        "Provenance",
        key=written.key,
        identifier=[],
        target=[{"reference": reference} for reference in written.references],
        recorded=written.recorded,
        activity=to.coded("provenance-activity", activity),
        agent=[
            {"type": to.coded("provenance-agent", "assembler"), "who": software(written.version)}
        ],
    )
    if written.subject:
        resource["meta"] = {**resource["meta"], "security": [PSEUDED]}
    return resource


def software(version: str) -> Resource:
    """The adapter as a logical reference: it needs no Device on the server."""
    return {
        "type": "Device",
        "identifier": {"system": f"{CANONICAL}/software", "value": SOFTWARE},
        "display": f"{SOFTWARE} {version}",
    }
