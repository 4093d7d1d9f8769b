"""Support -> Procedure.  https://hl7.org/fhir/R4/procedure.html  https://hl7.org/fhir/R5/procedure.html"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mappings.context import Context, Resource
from mappings.entities import Support
from mappings.values import in_study, period


def procedure(support: Support, to: Context) -> Resource:
    """A period of respiratory support with the device in use; its settings are Observations."""
    return to.resource(
        "Procedure",
        key=support.key,
        extension=in_study(to),
        status=support.status or ("completed" if support.end else "in-progress"),
        code=to.coded("respiratory-support", support.mode),
        subject=to.reference("Patient", support.subject),
        encounter=support.visit and to.reference("Encounter", support.visit),
        **SHAPES[to.release](support, to),
    )


def _r4(support: Support, to: Context) -> dict[str, Any]:
    device = _device(support, to)
    return {
        "category": _category(support, to),
        "performedPeriod": period(support.start, support.end),
        "usedCode": [device] if device else None,
    }


def _r5(support: Support, to: Context) -> dict[str, Any]:
    category, device = _category(support, to), _device(support, to)
    return {
        "category": [category] if category else None,
        "occurrencePeriod": period(support.start, support.end),
        "used": [{"concept": device}] if device else None,
    }


SHAPES: Mapping[str, Callable[[Support, Context], dict[str, Any]]] = {
    "R4": _r4,
    "R4B": _r4,
    "R5": _r5,
}


def _category(support: Support, to: Context) -> Resource | None:
    category = to.tables["respiratory-support"].rows(support.mode)[0].category
    return to.coded("procedure-category", category) if category else None


def _device(support: Support, to: Context) -> Resource | None:
    known = support.mode in to.tables["support-device"]
    return to.coded("support-device", support.mode) if known else None
