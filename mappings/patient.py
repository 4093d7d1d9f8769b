"""Subject -> Patient, pseudonymous; the same in R4, R4B and R5.

https://hl7.org/fhir/R4/patient.html  https://hl7.org/fhir/R5/patient.html
"""

from __future__ import annotations

from mappings.context import Context, Resource
from mappings.entities import Subject
from mappings.values import typed_identifier


def patient(subject: Subject, to: Context) -> Resource:
    """A participant without name or record number; of the birth date what the study keeps."""
    return to.resource(
        "Patient",
        key=subject.key,
        identifier=[typed_identifier(to, "pseudonym", to.identifier("Patient", subject.key))],
        gender=subject.sex,
        birthDate=subject.birth_year,
        deceasedDateTime=subject.deceased,
        managingOrganization=subject.site and to.reference("Organization", subject.site),
    )
