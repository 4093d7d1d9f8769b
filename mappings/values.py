"""FHIR datatypes that several mappings need."""

from __future__ import annotations

from decimal import Decimal

from mappings.context import Resource, fields

UCUM = "http://unitsofmeasure.org"


def quantity(
    value: Decimal | None, unit: str | None, comparator: str | None = None
) -> Resource | None:
    """A UCUM Quantity, or None without a value."""
    if value is None:
        return None
    return fields(value=value, comparator=comparator, unit=unit, system=unit and UCUM, code=unit)


def period(start: str | None, end: str | None = None) -> Resource | None:
    """A Period, or None when neither end is known."""
    return fields(start=start, end=end) or None
