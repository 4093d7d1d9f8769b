"""Support -> Procedure.  https://hl7.org/fhir/R4/procedure.html"""

from __future__ import annotations

from mappings.context import Context, Resource
from mappings.entities import Support
from mappings.values import in_study, period


def procedure(support: Support, to: Context) -> Resource:
    """A period of respiratory support; its settings are Observations that are part of it."""
    category = to.tables["respiratory-support"].rows(support.mode)[0].category
    return to.resource(
        "Procedure",
        key=support.key,
        extension=in_study(to),
        status=support.status,
        category=category and to.coded("procedure-category", category),
        code=to.coded("respiratory-support", support.mode),
        subject=to.reference("Patient", support.subject),
        encounter=support.visit and to.reference("Encounter", support.visit),
        performedPeriod=period(support.start, support.end),
    )
