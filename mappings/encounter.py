"""Visit -> Encounter.  https://hl7.org/fhir/R4/encounter.html  https://hl7.org/fhir/R5/encounter.html"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from mappings.context import Context, Resource, fields
from mappings.entities import Diagnosis, Key, Visit
from mappings.values import concepts, in_study, period, quantity, typed_identifier

DAY = len("2024-01-31")
OVER = {"R4": "finished", "R4B": "finished", "R5": "completed"}


def encounter(
    visit: Visit, to: Context, *, diagnoses: Sequence[Diagnosis] = (), site: Key | None = None
) -> Resource:
    """A stay in hospital or an outpatient visit, with its diagnoses; length in days.

    ``site`` is the subject's hospital, for visits that do not name one themselves.
    """
    place = visit.site or site
    return to.resource(
        "Encounter",
        key=visit.key,
        identifier=_identifiers(visit, to),
        extension=in_study(to),
        status=_status(visit, to),
        subject=to.reference("Patient", visit.subject),
        length=quantity(days(visit.start, visit.end), "d"),
        location=[{"location": to.reference("Location", place)}] if place else None,
        serviceProvider=place and to.reference("Organization", place),
        **SHAPES[to.release](visit, diagnoses, to),
    )


def _r4(visit: Visit, diagnoses: Sequence[Diagnosis], to: Context) -> dict[str, Any]:
    return {
        "class_": to.coding("visit-class", visit.kind),
        "period": period(visit.start, visit.end),
        "reasonCode": [to.coded("visit-reason", visit.reason)] if visit.reason else None,
        "diagnosis": list(_ranked(diagnoses, to)),
        "hospitalization": _discharge(visit, to),
    }


def _r5(visit: Visit, diagnoses: Sequence[Diagnosis], to: Context) -> dict[str, Any]:
    reason = visit.reason and {"concept": to.coded("visit-reason", visit.reason)}
    return {
        "class_": [to.coded("visit-class", visit.kind)],
        "actualPeriod": period(visit.start, visit.end),
        "reason": [{"value": [reason]}] if reason else None,
        "diagnosis": [_used(each, to) for each in diagnoses],
        "admission": _discharge(visit, to),
    }


SHAPES: Mapping[str, Callable[[Visit, Sequence[Diagnosis], Context], dict[str, Any]]] = {
    "R4": _r4,
    "R4B": _r4,
    "R5": _r5,
}


def _discharge(visit: Visit, to: Context) -> Resource:
    outcome = visit.outcome
    return fields(dischargeDisposition=outcome and to.coded("discharge-disposition", outcome))


def days(start: str, end: str | None) -> Decimal | None:
    """Calendar days from one date to another, or None unless both are known to the day."""
    if end is None or len(start) < DAY or len(end) < DAY:
        return None
    length = dt.date.fromisoformat(end[:DAY]) - dt.date.fromisoformat(start[:DAY])
    return Decimal(length.days)


def _status(visit: Visit, to: Context) -> str:
    """An ambulatory visit that was recorded is over; a stay is over once it has an end."""
    ambulatory = to.code("visit-class", visit.kind) == "AMB"
    return OVER[to.release] if visit.end or ambulatory else "in-progress"


def _identifiers(visit: Visit, to: Context) -> list[Resource]:
    found = [to.identifier("Encounter", visit.key)]
    if visit.number:
        number = {"system": to.system("Encounter", "visit-number"), "value": visit.number}
        found.append(typed_identifier(to, "visit-number", number))
    return found


def _ranked(diagnoses: Sequence[Diagnosis], to: Context) -> Iterable[Resource]:
    """The visit's Conditions; the rank counts within each role."""
    ranks: Counter[str] = Counter()
    for diagnosis in diagnoses:
        ranks[diagnosis.role] += 1
        yield fields(
            condition=to.reference("Condition", diagnosis.key),
            use=to.coded("diagnosis-role", diagnosis.role),
            rank=ranks[diagnosis.role],
        )


def _used(diagnosis: Diagnosis, to: Context) -> Resource:
    """R5 has no rank, and fewer words for the use: the role stands beside them."""
    return {
        "condition": [{"reference": to.reference("Condition", diagnosis.key)}],
        "use": [
            *concepts(to, "diagnosis-use", diagnosis.role),
            *concepts(to, "diagnosis-role", diagnosis.role),
        ],
    }
