"""The guardian of a Consent -> RelatedPerson; the same in R4, R4B and R5.

https://hl7.org/fhir/R4/relatedperson.html  https://hl7.org/fhir/R5/relatedperson.html
"""

from __future__ import annotations

from mappings.context import Context, Resource
from mappings.entities import Consent


def related_person(consent: Consent, to: Context) -> list[Resource]:
    """Who consented for the child: the relationship, no name; nothing when it is unknown."""
    if consent.guardian is None:
        return []
    return [
        to.resource(
            "RelatedPerson",
            key=consent.key,
            patient=to.reference("Patient", consent.subject),
            relationship=[to.coded("relationship", consent.guardian)],
        )
    ]
