"""Sample -> Specimen.  https://hl7.org/fhir/R4/specimen.html"""

from __future__ import annotations

from mappings.context import Context, Resource, fields
from mappings.entities import Sample
from mappings.values import quantity


def specimen(sample: Sample, to: Context) -> Resource:
    """A sample taken from a subject; an aliquot names its parent. Volumes in mL.

    What is collected has a collection with the volume drawn; an aliquot's volume is what its
    container holds.
    """
    return to.resource(
        "Specimen",
        key=sample.key,
        status=sample.state,
        type=to.coded("specimen-type", sample.material),
        subject=to.reference("Patient", sample.subject),
        receivedTime=sample.received,
        parent=[to.reference("Specimen", sample.parent)] if sample.parent else None,
        collection=fields(
            collectedDateTime=sample.collected,
            quantity=None if sample.parent else quantity(sample.volume, "mL"),
            method=sample.method and to.coded("collection-method", sample.method),
            bodySite=sample.site and to.coded("body-site", sample.site),
        ),
        processing=_processing(sample, to),
        container=_container(sample, to),
        condition=[to.coded("specimen-condition", sample.condition)] if sample.condition else None,
    )


def _processing(sample: Sample, to: Context) -> list[Resource]:
    """What was done to the sample, then how it is kept; R4 has no element for a temperature."""
    done = fields(
        procedure=sample.processing and to.coded("processing", sample.processing),
        timeDateTime=sample.processed,
    )
    kept = fields(procedure=sample.storage and to.coded("storage-temperature", sample.storage))
    return [step for step in (done, kept) if step]


def _container(sample: Sample, to: Context) -> list[Resource]:
    found = fields(
        type=sample.container and to.coded("container", sample.container),
        specimenQuantity=quantity(sample.volume, "mL") if sample.parent else None,
    )
    return [found] if found else []
