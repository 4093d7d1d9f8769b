"""The modules of a ClinicalTrials.gov record, each read into parts of a Study.

Field names: https://clinicaltrials.gov/data-api/about-api/study-data-structure
"""

from __future__ import annotations

from collections.abc import Iterable

from adapter.sources.criteria import split_criteria
from adapter.sources.leaves import Node
from mappings.entities import (
    Arm,
    Eligibility,
    Intervention,
    MeshTerm,
    Outcome,
    RegistryTerm,
    RelatedDocument,
    StudyDate,
    StudyIdentifier,
)

PUBMED = "https://pubmed.ncbi.nlm.nih.gov"
RECORD = "https://clinicaltrials.gov/study"
LARGE_DOCUMENTS = "https://cdn.clinicaltrials.gov/large-docs"

STRUCTS = (
    "primaryCompletionDateStruct",
    "studyFirstPostDateStruct",
    "resultsFirstPostDateStruct",
    "dispFirstPostDateStruct",
    "lastUpdatePostDateStruct",
)
DATES = (
    "statusVerifiedDate",
    "studyFirstSubmitDate",
    "studyFirstSubmitQcDate",
    "resultsFirstSubmitDate",
    "resultsFirstSubmitQcDate",
    "dispFirstSubmitDate",
    "dispFirstSubmitQcDate",
    "lastUpdateSubmitDate",
)
OVERSIGHT = (
    "oversightHasDmc",
    "isFdaRegulatedDrug",
    "isFdaRegulatedDevice",
    "isUnapprovedDevice",
    "isPpsd",
    "isUsExport",
    "fdaaa801Violation",
)
OUTCOMES = {
    "primaryOutcomes": "PRIMARY",
    "secondaryOutcomes": "SECONDARY",
    "otherOutcomes": "OTHER_PRE_SPECIFIED",
}


def identifiers(module: Node, nct_id: str) -> Iterable[StudyIdentifier]:
    """The registry numbers of the study: its own, former ones, the organisation's, and others."""
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


def dates(module: Node) -> Iterable[StudyDate]:
    """Milestones of the study and of its registration, as far as they are given."""
    structs = {"startDateStruct": "start", "completionDateStruct": "completion"}
    for key in (*structs, *STRUCTS):
        struct = module.node(key)
        if date := struct.text("date"):
            yield StudyDate(activity=structs.get(key, key), date=date, kind=struct.text("type"))
    for key in DATES:
        if date := module.text(key):
            yield StudyDate(activity=key, date=date)


def meshes(derived: Node) -> Iterable[MeshTerm]:
    """The MeSH headings that the registry derived; what follows from them is on the drop list."""
    for about in ("condition", "intervention"):
        for mesh in derived.node(f"{about}BrowseModule").nodes("meshes"):
            yield MeshTerm(about=about, id=mesh.needed("id"), term=mesh.needed("term"))


def _registry_terms(node: Node, *keys: str, field: str | None = None) -> Iterable[RegistryTerm]:
    for key in keys:
        for word in node.words(key):
            yield RegistryTerm(field=field or key, value=word)


def design(design: Node, eligibility: Node) -> Iterable[RegistryTerm]:
    """Type and design of the study: each field with its raw word."""
    info = design.node("designInfo")
    yield from _registry_terms(design, "studyType")
    yield from _registry_terms(info, "allocation", "interventionModel")
    yield from _registry_terms(info, "observationalModel", "timePerspective")
    yield from _registry_terms(info.node("maskingInfo"), "masking", "whoMasked")
    yield from _registry_terms(design.node("bioSpec"), "retention")
    yield from _registry_terms(eligibility, "samplingMethod")


def terms(root: Node, protocol: Node) -> Iterable[RegistryTerm]:
    """Fields that have no element of their own in FHIR, false ones included."""
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


def notes(root: Node, protocol: Node) -> Iterable[str]:
    """Free texts that have no element of their own in FHIR, each with a label."""
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


def arms(protocol: Node, nct_id: str) -> Iterable[Arm]:
    """The groups of the study, with the interventions that they name."""
    for group in protocol.node("armsInterventionsModule").nodes("armGroups"):
        name = group.needed("label")
        yield Arm(
            key=(nct_id, name),
            name=name,
            kind=group.text("type"),
            description=group.text("description"),
            interventions=group.words("interventionNames"),
        )


def interventions(protocol: Node) -> Iterable[Intervention]:
    """What is done in the groups."""
    for each in protocol.node("armsInterventionsModule").nodes("interventions"):
        yield Intervention(
            name=each.needed("name"),
            kind=each.text("type") or "OTHER",
            description=each.text("description"),
            other_names=each.words("otherNames"),
            arms=each.words("armGroupLabels"),
        )


def outcomes(module: Node) -> Iterable[Outcome]:
    """The outcome measures, primary ones first."""
    for key, kind in OUTCOMES.items():
        for each in module.nodes(key):
            yield Outcome(
                kind=kind,
                measure=each.needed("measure"),
                description=each.text("description"),
                time_frame=each.text("timeFrame"),
            )


def eligibility(module: Node) -> Eligibility | None:
    """Who may take part; None when the record does not say."""
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


def documents(root: Node, protocol: Node, nct_id: str) -> Iterable[RelatedDocument]:
    """Publications, pages and files about the study."""
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
    yield from _pages(references, protocol)
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


def _pages(references: Node, protocol: Node) -> Iterable[RelatedDocument]:
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


def _citation(reference: Node) -> RelatedDocument:
    pmid = reference.text("pmid")
    return RelatedDocument(
        kind="citation",
        label=reference.text("type"),
        citation=reference.text("citation"),
        url=pmid and f"{PUBMED}/{pmid}",
    )
