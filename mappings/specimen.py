"""Sample -> Specimen, and in R5 the Device of its container.

https://hl7.org/fhir/R4/specimen.html  https://hl7.org/fhir/R5/specimen.html
https://fhir.bbmri-eric.eu/StructureDefinition-miabis-sample.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mappings.context import Context, Resource, fields
from mappings.device import container_device
from mappings.entities import Sample
from mappings.values import quantity, typed_identifier

MIABIS = "https://fhir.bbmri-eric.eu/StructureDefinition"
MIABIS_SAMPLE = f"{MIABIS}/miabis-sample"
MIABIS_TEMPERATURE = f"{MIABIS}/miabis-sample-storage-temperature-extension"
MIABIS_TABLES = {
    "specimen-type": "specimen-type-miabis",
    "storage-temperature": "storage-temperature-miabis",
}


def specimens(sample: Sample, to: Context) -> list[Resource]:
    """The sample; in R5 behind the Device that its container is."""
    device = [container_device(sample, to)] if to.r5 and _contained(sample) else []
    return [*device, specimen(sample, to)]


def specimen(sample: Sample, to: Context) -> Resource:
    """A sample taken from a subject; an aliquot names its parent. Volumes in mL.

    What is collected has a collection with the volume drawn; an aliquot's volume is what its
    container holds.
    """
    shape = SHAPES[to.release]
    return to.resource(
        "Specimen",
        key=sample.key,
        identifier=[typed_identifier(to, "specimen", to.identifier("Specimen", sample.key))],
        accessionIdentifier=_accession(sample, to),
        status=sample.state,
        type_=_type(sample, to),
        subject=to.reference("Patient", sample.subject),
        receivedTime=sample.received,
        parent=[to.reference("Specimen", sample.parent)] if sample.parent else None,
        collection=fields(
            collectedDateTime=sample.collected,
            quantity=None if sample.parent else quantity(sample.volume, "mL"),
            method=sample.method and to.coded("collection-method", sample.method),
            bodySite=sample.site and shape.body_site(to.coded("body-site", sample.site)),
        ),
        processing=_processing(sample, shape.process, to),
        container=[shape.container(sample, to)] if _contained(sample) else None,
        condition=[to.coded("specimen-condition", sample.condition)] if sample.condition else None,
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a release calls the procedure of a processing, and how it holds site and container."""

    process: str
    body_site: Callable[[Resource], Resource]
    container: Callable[[Sample, Context], Resource]


def _r4_container(sample: Sample, to: Context) -> Resource:
    kind = sample.container
    additive = kind if kind and kind in to.tables["container-additive"] else None
    return fields(
        type_=kind and to.coded("container", kind),
        specimenQuantity=_held(sample),
        additiveCodeableConcept=additive and to.coded("container-additive", additive),
    )


def _r5_container(sample: Sample, to: Context) -> Resource:
    return fields(device=to.reference("Device", sample.key), specimenQuantity=_held(sample))


R4 = _Shape("procedure", lambda site: site, _r4_container)
R5 = _Shape("method", lambda site: {"concept": site}, _r5_container)
SHAPES: Mapping[str, _Shape] = {"R4": R4, "R4B": R4, "R5": R5}


def _contained(sample: Sample) -> bool:
    return sample.container is not None or _held(sample) is not None


def _held(sample: Sample) -> Resource | None:
    """What an aliquot's container holds."""
    return quantity(sample.volume, "mL") if sample.parent else None


def _accession(sample: Sample, to: Context) -> Resource | None:
    if sample.accession is None:
        return None
    number = {"system": to.system("Specimen", "accession"), "value": sample.accession}
    return typed_identifier(to, "accession", number)


def _type(sample: Sample, to: Context) -> Resource:
    return _with_miabis("specimen-type", sample.material, to)


def _processing(sample: Sample, procedure: str, to: Context) -> list[Resource]:
    """What was done to the sample, then how it is kept: FHIR has no element for a temperature."""
    storage = sample.storage
    done: dict[str, Any] = {
        procedure: sample.processing and to.coded("processing", sample.processing),
        "timeDateTime": sample.processed,
    }
    kept: dict[str, Any] = {
        "extension": _temperature(storage, to) if storage else None,
        procedure: storage and _with_miabis("storage-temperature", storage, to),
    }
    return [step for step in (fields(**done), fields(**kept)) if step]


def _with_miabis(table: str, term: str, to: Context) -> Resource:
    """The concept of a term; where the study wants it, with MIABIS' own word as last coding."""
    concept, theirs = to.coded(table, term), MIABIS_TABLES[table]
    if "miabis" not in to.flavours or term not in to.tables[theirs]:
        return concept
    return {**concept, "coding": [*concept["coding"], to.coding(theirs, term)]}


def _temperature(storage: str, to: Context) -> list[Resource]:
    """MIABIS' extension: a resource that names their profile needs it, any other cannot have it."""
    known = storage in to.tables[MIABIS_TABLES["storage-temperature"]]
    if MIABIS_SAMPLE not in to.profiles.get("Specimen", ()) or not known:
        return []
    concept = to.coded(MIABIS_TABLES["storage-temperature"], storage)
    return [{"url": MIABIS_TEMPERATURE, "valueCodeableConcept": concept}]
