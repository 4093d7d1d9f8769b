"""A ClinicalTrials.gov record (API version 2, JSON) -> Study, with every leaf accounted for.

Field names: https://clinicaltrials.gov/data-api/about-api/study-data-structure
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources as package_files
from pathlib import Path

from adapter.errors import SourceError, Where
from adapter.sources import ctgov_modules as read
from adapter.sources.ctgov_people import parties, sites
from adapter.sources.leaves import Document, Node, pattern_of, read_json
from mappings.entities import Study

UNKNOWN = "unknown key"
EMPTY = "empty value"


@dataclass(frozen=True, slots=True)
class DroppedLeaf:
    """A leaf of the record that was not carried, and why."""

    path: str
    reason: str

    def to_json(self) -> dict[str, str]:
        """The leaf as an entry of the coverage file."""
        return {"path": self.path, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Registration:
    """A study as registered, and what of its record was not carried."""

    study: Study
    dropped: tuple[DroppedLeaf, ...]
    leaves: int


def read_registration(path: Path | str) -> Registration:
    """Read one study record of API version 2.

    Unknown keys are tolerated and listed in ``dropped``. Raises SourceError for a missing file,
    broken JSON (with line and column) and a document of another shape (with its JSON path).
    """
    path = Path(path)
    data = read_json(path)
    if not isinstance(data, dict) or "protocolSection" not in data:
        raise SourceError(
            "this is not a study record: there is no protocolSection",
            where=Where(file=str(path)),
            hint=_shape_hint(data),
        )
    document = Document(data, str(path))
    study = study_of(document.root)
    dropped = tuple(DroppedLeaf(leaf, _reason(document, leaf)) for leaf in document.left())
    return Registration(study, dropped, len(document.leaves))


def _shape_hint(data: object) -> str:
    if isinstance(data, list) or (isinstance(data, dict) and "studies" in data):
        return "this holds several studies; give the record of one study"
    if isinstance(data, dict) and "resourceType" in data:
        return "this is FHIR already; give the record of API version 2"
    return "download the study's record as JSON (API version 2)"


@cache
def drop_list() -> dict[str, str]:
    """What is left out on purpose: path without list positions -> reason."""
    file = package_files.files("adapter.sources").joinpath("ctgov_dropped.csv")
    lines = file.read_text(encoding="utf-8").splitlines()
    return {row["path"]: row["reason"] for row in csv.DictReader(lines)}


def _reason(document: Document, leaf: str) -> str:
    pattern = pattern_of(leaf)
    for path, reason in drop_list().items():
        if pattern == path or pattern.startswith(path + "."):
            return reason
    return EMPTY if document.leaves[leaf] in (None, "") else UNKNOWN


def study_of(root: Node) -> Study:
    """The study of a record. Raises SourceError where the record has another shape."""
    protocol = root.node("protocolSection")
    identification = protocol.node("identificationModule")
    status = protocol.node("statusModule")
    description = protocol.node("descriptionModule")
    design = protocol.node("designModule")
    nct_id = identification.needed("nctId")
    enrollment = design.node("enrollmentInfo")
    return Study(
        key=(nct_id,),
        title=identification.needed("briefTitle"),
        official_title=identification.text("officialTitle"),
        acronym=identification.text("acronym"),
        identifiers=tuple(read.identifiers(identification, nct_id)),
        status=status.needed("overallStatus"),
        last_known_status=status.text("lastKnownStatus"),
        why_stopped=status.text("whyStopped"),
        dates=tuple(read.dates(status)),
        summary=description.text("briefSummary"),
        description=description.text("detailedDescription"),
        conditions=protocol.node("conditionsModule").words("conditions"),
        keywords=protocol.node("conditionsModule").words("keywords"),
        meshes=tuple(read.meshes(root.node("derivedSection"))),
        design=tuple(read.design(design, protocol.node("eligibilityModule"))),
        phases=design.words("phases"),
        primary_purpose=design.node("designInfo").text("primaryPurpose"),
        enrollment=enrollment.whole("count"),
        enrollment_kind=enrollment.text("type"),
        arms=tuple(read.arms(protocol, nct_id)),
        interventions=tuple(read.interventions(protocol)),
        outcomes=tuple(read.outcomes(protocol.node("outcomesModule"))),
        eligibility=read.eligibility(protocol.node("eligibilityModule")),
        parties=tuple(parties(protocol)),
        sites=tuple(sites(protocol)),
        documents=tuple(read.documents(root, protocol, nct_id)),
        terms=tuple(read.terms(root, protocol)),
        notes=tuple(read.notes(root, protocol)),
    )
