"""Visit -> Encounter.  https://hl7.org/fhir/R4/encounter.html"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

from mappings.context import Context, Resource, fields
from mappings.entities import Diagnosis, Key, Visit
from mappings.values import in_study, period, quantity, typed_identifier

DAY = len("2024-01-31")


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
        class_=to.coding("visit-class", visit.kind),
        subject=to.reference("Patient", visit.subject),
        period=period(visit.start, visit.end),
        length=quantity(days(visit.start, visit.end), "d"),
        reasonCode=[to.coded("visit-reason", visit.reason)] if visit.reason else None,
        diagnosis=list(_diagnoses(diagnoses, to)),
        hospitalization=visit.outcome
        and {"dischargeDisposition": to.coded("discharge-disposition", visit.outcome)},
        location=[{"location": to.reference("Location", place)}] if place else None,
        serviceProvider=place and to.reference("Organization", place),
    )


def days(start: str, end: str | None) -> Decimal | None:
    """Calendar days from one date to another, or None unless both are known to the day."""
    if end is None or len(start) < DAY or len(end) < DAY:
        return None
    length = dt.date.fromisoformat(end[:DAY]) - dt.date.fromisoformat(start[:DAY])
    return Decimal(length.days)


def _status(visit: Visit, to: Context) -> str:
    """An ambulatory visit that was recorded is over; a stay is over once it has an end."""
    ambulatory = to.code("visit-class", visit.kind) == "AMB"
    return "finished" if visit.end or ambulatory else "in-progress"


def _identifiers(visit: Visit, to: Context) -> list[Resource]:
    found = [to.identifier("Encounter", visit.key)]
    if visit.number:
        number = {"system": to.system("Encounter", "visit-number"), "value": visit.number}
        found.append(typed_identifier(number, "v2-0203", "VN", "Visit number"))
    return found


def _diagnoses(diagnoses: Sequence[Diagnosis], to: Context) -> Iterable[Resource]:
    """The visit's Conditions; the rank counts within each role."""
    ranks: Counter[str] = Counter()
    for diagnosis in diagnoses:
        ranks[diagnosis.role] += 1
        yield fields(
            condition=to.reference("Condition", diagnosis.key),
            use=to.coded("diagnosis-role", diagnosis.role),
            rank=ranks[diagnosis.role],
        )
