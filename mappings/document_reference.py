"""SequencingResult -> DocumentReference: where its data lie.

https://hl7.org/fhir/R4/documentreference.html  https://hl7.org/fhir/R5/documentreference.html
"""

from __future__ import annotations

from collections.abc import Iterator

from mappings.context import Context, Resource, fields
from mappings.entities import SequencingResult
from mappings.values import SUPPORTING


def document_reference(result: SequencingResult, to: Context) -> Iterator[Resource]:
    """The data file of a sequencing run, when the source names one; the file stays where it is."""
    if result.file is None:
        return
    named = {"url" if "://" in result.file else "title": result.file}
    yield to.resource(
        "DocumentReference",
        key=result.key,
        status="current",
        type_={"text": "Sequencing data"},
        subject=to.reference("Patient", result.subject),
        content=[{"attachment": fields(contentType=result.file_type, **named)}],
    )


def supporting(result: SequencingResult, to: Context) -> list[Resource]:
    """The extension by which a report names its data file, in every release."""
    if result.file is None:
        return []
    return [{"url": SUPPORTING, "valueReference": to.reference("DocumentReference", result.key)}]
