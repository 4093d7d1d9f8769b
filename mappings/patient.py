"""Subject -> Patient, pseudonymous.  https://hl7.org/fhir/R4/patient.html"""

from __future__ import annotations

from mappings.context import Context, Resource
from mappings.entities import Subject
from mappings.values import typed_identifier


def patient(subject: Subject, to: Context) -> Resource:
    """A participant without name or record number; of the birth date what the study keeps."""
    return to.resource(
        "Patient",
        key=subject.key,
        identifier=[
            typed_identifier(
                to.identifier("Patient", subject.key),
                "v3-ObservationValue",
                "PSEUDED",
                "pseudonymized",
            )
        ],
        gender=subject.sex,
        birthDate=subject.birth_year,
        deceasedDateTime=subject.deceased,
        managingOrganization=subject.site and to.reference("Organization", subject.site),
    )
