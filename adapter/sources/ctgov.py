"""A ClinicalTrials.gov record (API version 2, JSON) -> Study, with every leaf accounted for.

Field names: https://clinicaltrials.gov/data-api/about-api/study-data-structure
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources as package_files
from pathlib import Path

from adapter.errors import SourceError, Where
from adapter.sources.criteria import split_criteria
from adapter.sources.ctgov_people import parties, sites
from adapter.sources.leaves import Document, Node, pattern_of, read_json
from mappings.entities import (
    Arm,
    Eligibility,
    Intervention,
    MeshTerm,
    Outcome,
    RegistryTerm,
    RelatedDocument,
    Study,
    StudyDate,
    StudyIdentifier,
)

UNKNOWN = "unknown key"
EMPTY = "empty value"
PUBMED = "https://pubmed.ncbi.nlm.nih.gov"
RECORD = "https://clinicaltrials.gov/study"
LARGE_DOCUMENTS = "https://cdn.clinicaltrials.gov/large-docs"

STRUCTS = (
    "primaryCompletionDateStruct studyFirstPostDateStruct resultsFirstPostDateStruct "
    "dispFirstPostDateStruct lastUpdatePostDateStruct"
).split()
DATES = (
    "statusVerifiedDate studyFirstSubmitDate studyFirstSubmitQcDate resultsFirstSubmitDate "
    "resultsFirstSubmitQcDate dispFirstSubmitDate dispFirstSubmitQcDate lastUpdateSubmitDate"
).split()
OVERSIGHT = (
    "oversightHasDmc isFdaRegulatedDrug isFdaRegulatedDevice isUnapprovedDevice isPpsd isUsExport "
    "fdaaa801Violation"
).split()
OUTCOMES = {
    "primaryOutcomes": "PRIMARY",
    "secondaryOutcomes": "SECONDARY",
    "otherOutcomes": "OTHER_PRE_SPECIFIED",
}


@dataclass(frozen=True, slots=True)
class DroppedLeaf:
    """A leaf of the record that was not carried, and why."""

    path: str
    reason: str


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
    study = _study(document.root)
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


# --- the record, module by module --------------------------------------------------------------


def _study(root: Node) -> Study:
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
        identifiers=tuple(_identifiers(identification, nct_id)),
        status=status.needed("overallStatus"),
        last_known_status=status.text("lastKnownStatus"),
        why_stopped=status.text("whyStopped"),
        dates=tuple(_dates(status)),
        summary=description.text("briefSummary"),
        description=description.text("detailedDescription"),
        conditions=protocol.node("conditionsModule").words("conditions"),
        keywords=protocol.node("conditionsModule").words("keywords"),
        meshes=tuple(_meshes(root.node("derivedSection"))),
        design=tuple(_design(design, protocol.node("eligibilityModule"))),
        phases=design.words("phases"),
        primary_purpose=design.node("designInfo").text("primaryPurpose"),
        enrollment=enrollment.whole("count"),
        enrollment_kind=enrollment.text("type"),
        arms=tuple(_arms(protocol, nct_id)),
        interventions=tuple(_interventions(protocol)),
        outcomes=tuple(_outcomes(protocol.node("outcomesModule"))),
        eligibility=_eligibility(protocol.node("eligibilityModule")),
        parties=tuple(parties(protocol)),
        sites=tuple(sites(protocol)),
        documents=tuple(_documents(root, protocol, nct_id)),
        terms=tuple(_terms(root, protocol)),
        notes=tuple(_notes(root, protocol)),
    )


def _identifiers(module: Node, nct_id: str) -> Iterable[StudyIdentifier]:
    yield StudyIdentifier(value=nct_id)
    for alias in module.words("nctIdAliases"):
        yield StudyIdentifier(value=alias, use="old")
    own = module.node("orgStudyIdInfo")
    if value := own.text("id"):
        yield StudyIdentifier(
            value=value,
            use="secondary",
            kind=own.text("type"),
            label="Organization's Unique Protocol ID",
            assigner=module.node("organization").text("fullName"),
            link=own.text("link"),
        )
    for other in module.nodes("secondaryIdInfos"):
        if value := other.text("id"):
            yield StudyIdentifier(
                value=value,
                use="secondary",
                kind=other.text("type"),
                assigner=other.text("domain"),
                link=other.text("link"),
            )


def _dates(module: Node) -> Iterable[StudyDate]:
    structs = {"startDateStruct": "start", "completionDateStruct": "completion"}
    for key in (*structs, *STRUCTS):
        struct = module.node(key)
        if date := struct.text("date"):
            yield StudyDate(activity=structs.get(key, key), date=date, kind=struct.text("type"))
    for key in DATES:
        if date := module.text(key):
            yield StudyDate(activity=key, date=date)


def _meshes(derived: Node) -> Iterable[MeshTerm]:
    for about in ("condition", "intervention"):
        for mesh in derived.node(f"{about}BrowseModule").nodes("meshes"):
            yield MeshTerm(about=about, id=mesh.needed("id"), term=mesh.needed("term"))


def _registry_terms(node: Node, *keys: str, field: str | None = None) -> Iterable[RegistryTerm]:
    for key in keys:
        for word in node.words(key):
            yield RegistryTerm(field=field or key, value=word)


def _design(design: Node, eligibility: Node) -> Iterable[RegistryTerm]:
    info = design.node("designInfo")
    yield from _registry_terms(design, "studyType")
    yield from _registry_terms(info, "allocation", "interventionModel")
    yield from _registry_terms(info, "observationalModel", "timePerspective")
    yield from _registry_terms(info.node("maskingInfo"), "masking", "whoMasked")
    yield from _registry_terms(design.node("bioSpec"), "retention")
    yield from _registry_terms(eligibility, "samplingMethod")


def _terms(root: Node, protocol: Node) -> Iterable[RegistryTerm]:
    status = protocol.node("statusModule")
    design = protocol.node("designModule")
    access = status.node("expandedAccessInfo")
    yield from _registry_terms(access, "hasExpandedAccess", "statusForNctId")
    yield from _registry_terms(access, "nctId", field="expandedAccessNctId")
    yield from _registry_terms(status, "delayedPosting", "resultsWaived")
    yield from _registry_terms(protocol.node("oversightModule"), *OVERSIGHT)
    yield from _registry_terms(design, "patientRegistry", "targetDuration")
    yield from _registry_terms(design, "nPtrsToThisExpAccNctId")
    types = design.node("expandedAccessTypes")
    yield from _registry_terms(types, "individual", "intermediate", "treatment")
    sharing = protocol.node("ipdSharingStatementModule")
    yield from _registry_terms(sharing, "ipdSharing", "infoTypes")
    yield from _registry_terms(root.node("documentSection").node("largeDocumentModule"), "noSap")
    yield from _registry_terms(root, "hasResults")
    yield from _registry_terms(root.node("derivedSection").node("miscInfoModule"), "versionHolder")


def _notes(root: Node, protocol: Node) -> Iterable[str]:
    info = protocol.node("designModule").node("designInfo")
    sharing = protocol.node("ipdSharingStatementModule")
    texts = {
        "Intervention model": info.text("interventionModelDescription"),
        "Masking": info.node("maskingInfo").text("maskingDescription"),
        "Biospecimens": protocol.node("designModule").node("bioSpec").text("description"),
        "Sharing of individual participant data": sharing.text("description"),
        "Sharing time frame": sharing.text("timeFrame"),
        "Sharing access criteria": sharing.text("accessCriteria"),
    }
    misc = root.node("derivedSection").node("miscInfoModule")
    texts["Removed countries"] = ", ".join(misc.words("removedCountries")) or None
    return (f"{label}: {text}" for label, text in texts.items() if text)


def _arms(protocol: Node, nct_id: str) -> Iterable[Arm]:
    for group in protocol.node("armsInterventionsModule").nodes("armGroups"):
        name = group.needed("label")
        yield Arm(
            key=(nct_id, name),
            name=name,
            kind=group.text("type"),
            description=group.text("description"),
            interventions=group.words("interventionNames"),
        )


def _interventions(protocol: Node) -> Iterable[Intervention]:
    for each in protocol.node("armsInterventionsModule").nodes("interventions"):
        yield Intervention(
            name=each.needed("name"),
            kind=each.text("type") or "OTHER",
            description=each.text("description"),
            other_names=each.words("otherNames"),
            arms=each.words("armGroupLabels"),
        )


def _outcomes(module: Node) -> Iterable[Outcome]:
    for key, kind in OUTCOMES.items():
        for each in module.nodes(key):
            yield Outcome(
                kind=kind,
                measure=each.needed("measure"),
                description=each.text("description"),
                time_frame=each.text("timeFrame"),
            )


def _eligibility(module: Node) -> Eligibility | None:
    if not module:
        return None
    criteria = module.text("eligibilityCriteria")
    inclusion, exclusion = split_criteria(criteria)
    return Eligibility(
        criteria=criteria,
        inclusion=inclusion,
        exclusion=exclusion,
        minimum_age=module.text("minimumAge"),
        maximum_age=module.text("maximumAge"),
        sex=module.text("sex"),
        healthy_volunteers=module.flag("healthyVolunteers"),
        gender_based=module.flag("genderBased"),
        gender_description=module.text("genderDescription"),
        standard_ages=module.words("stdAges"),
        population=module.text("studyPopulation"),
    )


def _documents(root: Node, protocol: Node, nct_id: str) -> Iterable[RelatedDocument]:
    references = protocol.node("referencesModule")
    for each in references.nodes("references"):
        yield _citation(each)
        for retraction in each.nodes("retractions"):
            pmid = retraction.text("pmid")
            yield RelatedDocument(
                kind="citation",
                label="RETRACTION",
                citation=retraction.text("source"),
                url=pmid and f"{PUBMED}/{pmid}",
            )
    for link in references.nodes("seeAlsoLinks"):
        yield RelatedDocument(
            kind="documentation", display=link.text("label"), url=link.text("url")
        )
    for ipd in references.nodes("availIpds"):
        yield RelatedDocument(
            kind="documentation",
            label=ipd.text("type"),
            display=ipd.text("id"),
            citation=ipd.text("comment"),
            url=ipd.text("url"),
        )
    if url := protocol.node("ipdSharingStatementModule").text("url"):
        yield RelatedDocument(kind="documentation", label="IPD_SHARING", url=url)
    access = protocol.node("statusModule").node("expandedAccessInfo").text("nctId")
    if access:
        yield RelatedDocument(
            kind="documentation", label="EXPANDED_ACCESS", url=f"{RECORD}/{access}"
        )
    for file in root.node("documentSection").node("largeDocumentModule").nodes("largeDocs"):
        name = file.text("filename")
        yield RelatedDocument(
            kind="documentation",
            label=file.text("typeAbbrev"),
            display=file.text("label"),
            file=name,
            url=name and f"{LARGE_DOCUMENTS}/{nct_id[-2:]}/{nct_id}/{name}",
            date=file.text("date"),
            size=file.whole("size"),
        )


def _citation(reference: Node) -> RelatedDocument:
    pmid = reference.text("pmid")
    return RelatedDocument(
        kind="citation",
        label=reference.text("type"),
        citation=reference.text("citation"),
        url=pmid and f"{PUBMED}/{pmid}",
    )
