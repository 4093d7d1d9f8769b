"""A run that changed something on a server -> AuditEvent.

https://hl7.org/fhir/R4/auditevent.html  https://hl7.org/fhir/R5/auditevent.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mappings.context import Context, Resource, fields
from mappings.entities import Key
from mappings.provenance import software

TYPE = {
    "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
    "code": "rest",
    "display": "RESTful Operation",
}
INTERACTION = "http://hl7.org/fhir/restful-interaction"
SEVERITY = "http://hl7.org/fhir/issue-severity"
ACTION = {"create": "C", "update": "U", "delete": "D"}


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the adapter: when it began and ended (instants), and what it did, in numbers.

    ``interaction`` is create, update or delete; ``counts`` are resources by what became of them.
    """

    key: Key
    interaction: str
    began: str
    ended: str
    counts: Mapping[str, int]
    is_complete: bool  # nothing was refused
    version: str


def audit_event(run: Run, to: Context) -> Resource:
    """Who wrote when, how much, and whether all of it was taken. Names no subject."""
    who = software(run.version)
    return to.resource(
        "AuditEvent",
        key=run.key,
        identifier=[],
        **SHAPE[to.release](run),
        action=ACTION[run.interaction],
        recorded=run.ended,
        agent=[{"who": who, "requestor": True}],
        source={"observer": who},
        entity=[
            fields(
                what={
                    "type": "ResearchStudy",
                    "identifier": to.identifier("ResearchStudy", to.study),
                },
                detail=[DETAIL[to.release](*each) for each in run.counts.items() if each[1]],
            )
        ],
    )


def _interaction(run: Run) -> Resource:
    return {"system": INTERACTION, "code": run.interaction, "display": run.interaction}


def _shape_r4(run: Run) -> Resource:
    return {
        "type": TYPE,
        "subtype": [_interaction(run)],
        "period": {"start": run.began, "end": run.ended},
        "outcome": "0" if run.is_complete else "4",
    }


def _shape_r5(run: Run) -> Resource:
    severity = "information" if run.is_complete else "warning"
    return {
        "category": [{"coding": [TYPE]}],
        "code": {"coding": [_interaction(run)]},
        "occurredPeriod": {"start": run.began, "end": run.ended},
        "outcome": {"code": {"system": SEVERITY, "code": severity}},
    }


def _detail_r4(name: str, count: int) -> Resource:
    return {"type": name, "valueString": str(count)}


def _detail_r5(name: str, count: int) -> Resource:
    return {"type": {"text": name}, "valueInteger": count}


SHAPE: Mapping[str, Callable[[Run], Resource]] = {
    "R4": _shape_r4,
    "R4B": _shape_r4,
    "R5": _shape_r5,
}
DETAIL: Mapping[str, Callable[[str, int], Resource]] = {
    "R4": _detail_r4,
    "R4B": _detail_r4,
    "R5": _detail_r5,
}
