"""The container of a Sample -> Device, which R5 asks for.  https://hl7.org/fhir/R5/device.html"""

from __future__ import annotations

from mappings.context import Context, Resource
from mappings.entities import Sample


def container_device(sample: Sample, to: Context) -> Resource:
    """The tube, vial or cup that holds a sample; of unknown type where the study does not say."""
    return to.resource(
        "Device",
        key=sample.key,
        type_=[to.coded("container", sample.container)] if sample.container else None,
    )
