"""Withdrawal of consent: since which day a subject's data are no longer given.

A date says no more than its precision: where it cannot be told that a day lies after another one,
it does not. A day does not lie after itself, at whatever hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mappings.entities import (
    Answers,
    Consent,
    Diagnosis,
    Disposition,
    Event,
    Measurement,
    Sample,
    SequencingResult,
    SubjectEntity,
    Support,
    Treatment,
    Visit,
)

DAY = len("2024-01-31")

# When it happened: the first of these fields that is known. What is not here has no date of its
# own (the subject), or tells of the participation itself (its consents and its end).
DATES: Mapping[type, tuple[str, ...]] = {
    Visit: ("start",),
    Diagnosis: ("onset", "recorded", "ended"),
    Measurement: ("when",),
    Sample: ("collected", "received", "processed"),
    Treatment: ("start",),
    Support: ("start",),
    Answers: ("date",),
    SequencingResult: ("date",),
    Event: ("onset",),
}


def is_before(one: str, other: str) -> bool:
    """Whether a date lies before another, at the precision both have, a day at most."""
    shared = min(len(one), len(other), DAY)
    return one[:shared] < other[:shared]


def date_of(entity: SubjectEntity) -> str | None:
    """When what an entity tells of happened, or began; None where nothing says so."""
    dates = (getattr(entity, name) for name in DATES.get(type(entity), ()))
    return next(filter(None, dates), None)


def withdrawals(consents: Sequence[Consent]) -> list[tuple[str, str | None]]:
    """The day of each withdrawal, and that of the first consent given after it, if there is one."""
    given = sorted(c.date for c in consents if c.decision == "permit" and c.assent != "deny")
    return [
        (each.withdrawn, next((day for day in given if is_before(each.withdrawn, day)), None))
        for each in consents
        if each.withdrawn
    ]


def end_by_consent(consents: Sequence[Consent]) -> Disposition | None:
    """The end of a participation that follows from a consent withdrawn and not given again."""
    ends = [day for day, again in withdrawals(consents) if again is None]
    if not ends:
        return None
    subject = consents[0].subject
    return Disposition(key=subject, subject=subject, status="withdrawn", date=min(ends))
