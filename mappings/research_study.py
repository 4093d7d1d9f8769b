"""Study -> ResearchStudy.

https://hl7.org/fhir/R4/researchstudy.html  https://hl7.org/fhir/R5/researchstudy.html

R4 holds about half of a registration in elements of its own; the rest stands in HL7's official
cross-version extensions (``mappings/study_extensions.py``), which are elements in R5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from mappings.activity_definition import label
from mappings.context import Context, Resource, fields
from mappings.entities import (
    Arm,
    MeshTerm,
    Product,
    RelatedDocument,
    Site,
    Study,
    StudyIdentifier,
)
from mappings.organization import OrganizationKeys, organization_reference
from mappings.plan_definition import has_protocol
from mappings.practitioner import role_key, telecom
from mappings.registry_terms import country_concept, registry_concept, registry_term
from mappings.study_extensions import LINK_ID, progress_statuses, shaped, study_elements
from mappings.values import period

REGISTRY = "http://clinicaltrials.gov"  # HL7's NamingSystem ClinicalTrialsGov
MESH = "http://id.nlm.nih.gov/mesh"
RECORD = "https://clinicaltrials.gov/study/"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def research_study(
    study: Study, products: Sequence[Product], keys: OrganizationKeys, to: Context
) -> Resource:
    """The study as registered; dates are copied as they are, never padded."""
    dates = {date.activity: date.date for date in study.dates}
    return to.resource(
        "ResearchStudy",
        key=study.key,
        identifier=[
            to.identifier("ResearchStudy", study.key),
            *(_identifier(each, to) for each in study.identifiers),
        ],
        **study_elements(study, keys, to),
        title=study.title,
        protocol=_protocol(study, to),
        **STATUS[to.release](study, study.present_status or study.status, to),
        primaryPurposeType=_purpose(study, to),
        phase=_phase(study, to),
        condition=[*({"text": text} for text in study.conditions), *_meshes(study, "condition")],
        keyword=[{"text": text} for text in study.keywords],
        description=study.description or study.summary,
        period=period(dates.get("start"), dates.get("completion")),
        site=[to.reference("Location", site.key) for site in study.sites],
        note=[{"text": note} for note in study.notes],
        **OTHERWISE[to.release](study, products, keys, to),
    )


def _r4(study: Study, products: Sequence[Product], keys: OrganizationKeys, to: Context) -> Resource:
    sponsor = next((p.name for p in study.parties if p.role == "lead-sponsor"), None)
    return {
        "category": [registry_term(to, term) for term in study.design],
        "focus": _focus(study, products, to),
        "contact": [
            fields(name=party.name, telecom=telecom(party))
            for party in study.parties
            if party.role == "contact" and (party.name or telecom(party))
        ],
        "relatedArtifact": [_artifact_r4(each) for each in _documents(study)],
        "location": _countries(study, to),
        "enrollment": _enrollment(study, to),
        "sponsor": organization_reference(sponsor, keys, to),
        "principalInvestigator": _principal_investigator(study, to),
        "reasonStopped": fields(text=study.why_stopped),
        "arm": [_arm_r4(arm, to) for arm in study.arms],
    }


def _r5(
    study: Study, products: Sequence[Product], _keys: OrganizationKeys, to: Context
) -> Resource:
    """Parties, design and numbers are already told: see ``study_elements``."""
    dates = {date.activity: date.date for date in study.dates}
    registered = next((i.value for i in study.identifiers if i.use == "official"), None)
    return {
        "url": registered and f"{RECORD}{registered}",
        "date": dates.get("lastUpdatePostDateStruct"),
        "focus": [{"concept": each} for each in _focus(study, products, to)],
        "relatedArtifact": [_artifact_r5(each) for each in _documents(study)],
        "region": _countries(study, to),
        "whyStopped": fields(text=study.why_stopped),
        "comparisonGroup": [_arm_r5(arm, to) for arm in study.arms],
    }


OTHERWISE: Mapping[
    str, Callable[[Study, Sequence[Product], OrganizationKeys, Context], Resource]
] = {"R4": _r4, "R4B": _r4, "R5": _r5}


def site_study(study: Study, site: Site, to: Context) -> Resource:
    """The part of a study that a site with a status of its own does."""
    return to.resource(
        "ResearchStudy",
        key=(*study.key, *site.key),
        kind="site-study",
        profile="site-study",
        title=f"{study.title}: {site.name or site.city or 'site'}",
        **shaped(progress_statuses([(site.status or "", None)], to), to),
        **STATUS[to.release](study, site.status or study.status, to),
        partOf=[to.reference("ResearchStudy", study.key)],
        site=[to.reference("Location", site.key)],
    )


def _status_r4(study: Study, word: str, to: Context) -> Resource:
    """R4's required status; where it has no code for the registry's word, a reason beside one.

    A required code may not be left out, whatever the reason (HL7's validator refuses it): "active"
    stands for a study whose data are being sent, and the extension says that it is not known.
    """
    if word == "UNKNOWN" and study.last_known_status:
        word = study.last_known_status
    if word in to.tables["study-status"]:
        return {"status": to.code("study-status", word)}
    reason = "masked" if word == "WITHHELD" else "unknown"
    unsure = {"extension": [{"url": ABSENT, "valueCode": reason}]}
    return {"status": "active", "_status": unsure}


def _status_r5(_study: Study, _word: str, _to: Context) -> Resource:
    """R5's status is that of the record's publication; the study's is its progressStatus."""
    return {"status": "active"}


STATUS: Mapping[str, Callable[[Study, str, Context], Resource]] = {
    "R4": _status_r4,
    "R4B": _status_r4,
    "R5": _status_r5,
}


def _identifier(identifier: StudyIdentifier, to: Context) -> Resource:
    kind = registry_concept(to, "SecondaryIdType", identifier.kind) if identifier.kind else {}
    registered = identifier.use in ("official", "old")
    return fields(
        use=identifier.use,
        type_=fields(coding=kind.get("coding"), text=identifier.label or kind.get("text")),
        system=REGISTRY if registered else None,
        value=identifier.value,
        assigner=fields(display=identifier.assigner),
    )


def _protocol(study: Study, to: Context) -> list[Resource]:
    if has_protocol(study):
        return [to.reference("PlanDefinition", study.key)]
    return []


def _purpose(study: Study, to: Context) -> Resource | None:
    word = study.primary_purpose
    return registry_concept(to, "PrimaryPurpose", word) if word else None


def _phase(study: Study, to: Context) -> Resource | None:
    """One concept of all phases: HL7 has codes for the usual pairs, such as phase 1 and 2."""
    if not study.phases:
        return None
    each = [registry_concept(to, "Phase", word) for word in study.phases]
    together = "/".join(study.phases)
    known = (
        to.coded("study-phase", together)
        if together in to.tables["study-phase"]
        else {"text": "/".join(concept["text"] for concept in each)}
    )
    raw = [coding for concept in each for coding in concept["coding"]]
    return {"coding": [*known.get("coding", []), *raw], "text": known["text"]}


def _focus(study: Study, products: Sequence[Product], to: Context) -> list[Resource]:
    """What is studied: the registered interventions, and the study folder's products by code."""
    terms = dict.fromkeys(product.term for product in products)
    return [
        *({"text": label(each, to)} for each in study.interventions),
        *_meshes(study, "intervention"),
        *(to.coded("product", term) for term in terms),
    ]


def _meshes(study: Study, about: str) -> Iterator[Resource]:
    return (_mesh(mesh) for mesh in study.meshes if mesh.about == about)


def _mesh(mesh: MeshTerm) -> Resource:
    coding = {"system": MESH, "code": mesh.id, "display": mesh.term}
    return {"coding": [coding], "text": mesh.term}


def _documents(study: Study) -> Iterator[RelatedDocument]:
    """Publications, pages and files; what an identifier links to is a page too.

    What is no URI, such as a link with blanks in it, stays readable as text.
    """
    linked = (
        RelatedDocument(kind="documentation", display=each.value, url=each.link)
        for each in study.identifiers
        if each.link
    )
    for document in (*linked, *study.documents):
        url, display = document.url, document.display
        if url and len(url.split()) > 1:
            display = f"{display}: {url}" if display else url
            document = replace(document, url=None, display=display)
        yield document


def _artifact_r4(document: RelatedDocument) -> Resource:
    file = fields(url=document.url, size=document.size, title=document.file, creation=document.date)
    return fields(
        type_=document.kind,
        label=document.label,
        display=document.display,
        citation=document.citation,
        url=None if document.file else document.url,
        document=file if document.file else None,
    )


def _artifact_r5(document: RelatedDocument) -> Resource:
    size = None if document.size is None else str(document.size)  # an integer64 is text in JSON
    return fields(
        type_=document.kind,
        label=document.label,
        display=document.display,
        citation=document.citation,
        document=fields(url=document.url, size=size, title=document.file, creation=document.date),
    )


def _countries(study: Study, to: Context) -> list[Resource]:
    countries = dict.fromkeys(site.country for site in study.sites if site.country)
    return [country_concept(to, country) for country in countries]


def _enrollment(study: Study, to: Context) -> list[Resource]:
    if study.eligibility is None:
        return []
    return [to.reference("Group", study.key, "eligibility")]


def _principal_investigator(study: Study, to: Context) -> Resource | None:
    """The first principal investigator that the registration names."""
    for party in study.parties:
        raw = party.raw_role.value if party.raw_role else ""
        if party.person and raw in ("PRINCIPAL_INVESTIGATOR", "SPONSOR_INVESTIGATOR"):
            reference = to.reference("PractitionerRole", role_key(party))
            return {**reference, **fields(display=party.name)}
    return None


def _arm_r4(arm: Arm, to: Context) -> Resource:
    link = {"url": LINK_ID, "valueId": to.id("ResearchStudy", arm.key, "arm")}
    return fields(
        extension=[link], name=arm.name, type_=_kind(arm, to), description=arm.description
    )


def _arm_r5(arm: Arm, to: Context) -> Resource:
    return fields(
        linkId=to.id("ResearchStudy", arm.key, "arm"),
        name=arm.name,
        type_=_kind(arm, to),
        description=arm.description,
    )


def _kind(arm: Arm, to: Context) -> Resource | None:
    return registry_concept(to, "ArmGroupType", arm.kind) if arm.kind else None
