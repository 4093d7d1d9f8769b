"""Study -> ResearchStudy.  https://hl7.org/fhir/R4/researchstudy.html

R4 holds about half of a registration in elements of its own; the rest stands in HL7's official
cross-version extensions (``mappings/study_extensions.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
from mappings.practitioner import role_key, telecom
from mappings.registry_terms import country_concept, registry_concept, registry_term
from mappings.study_extensions import (
    LINK_ID,
    progress_statuses,
    study_extensions,
)
from mappings.values import period

REGISTRY = "http://clinicaltrials.gov"  # HL7's NamingSystem ClinicalTrialsGov
MESH = "http://id.nlm.nih.gov/mesh"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def research_study(
    study: Study, products: Sequence[Product], keys: OrganizationKeys, to: Context
) -> Resource:
    """The study as registered; dates are copied as they are, never padded."""
    sponsor = next((p.name for p in study.parties if p.role == "lead-sponsor"), None)
    dates = {date.activity: date.date for date in study.dates}
    return to.resource(
        "ResearchStudy",
        key=study.key,
        identifier=[
            to.identifier("ResearchStudy", study.key),
            *(_identifier(each, to) for each in study.identifiers),
        ],
        extension=study_extensions(study, keys, to),
        title=study.title,
        protocol=_protocol(study, to),
        **_status(study, study.present_status or study.status, to),
        primaryPurposeType=_purpose(study, to),
        phase=_phase(study, to),
        category=[registry_term(to, term) for term in study.design],
        focus=_focus(study, products, to),
        condition=[*({"text": text} for text in study.conditions), *_meshes(study, "condition")],
        contact=[
            fields(name=party.name, telecom=telecom(party))
            for party in study.parties
            if party.role == "contact"
        ],
        relatedArtifact=list(_artifacts(study)),
        keyword=[{"text": text} for text in study.keywords],
        location=_countries(study, to),
        description=study.description or study.summary,
        enrollment=_enrollment(study, to),
        period=period(dates.get("start"), dates.get("completion")),
        sponsor=organization_reference(sponsor, keys, to),
        principalInvestigator=_principal_investigator(study, to),
        site=[to.reference("Location", site.key) for site in study.sites],
        reasonStopped=fields(text=study.why_stopped),
        note=[{"text": note} for note in study.notes],
        arm=[_arm(arm, to) for arm in study.arms],
    )


def site_study(study: Study, site: Site, to: Context) -> Resource:
    """The part of a study that a site with a status of its own does."""
    return to.resource(
        "ResearchStudy",
        key=(*study.key, *site.key),
        kind="site-study",
        title=f"{study.title}: {site.name or site.city or 'site'}",
        extension=progress_statuses([(site.status or "", None)], to),
        **_status(study, site.status or study.status, to),
        partOf=[to.reference("ResearchStudy", study.key)],
        site=[to.reference("Location", site.key)],
    )


def _status(study: Study, word: str, to: Context) -> Resource:
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
    if study.arms or study.interventions:
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


def _artifacts(study: Study) -> Iterator[Resource]:
    """Publications, pages and files; what an identifier links to is a page too."""
    for identifier in study.identifiers:
        if identifier.link:
            yield _artifact(
                RelatedDocument(kind="documentation", display=identifier.value, url=identifier.link)
            )
    for document in study.documents:
        yield _artifact(document)


def _artifact(document: RelatedDocument) -> Resource:
    """What is no URI, such as a link with blanks in it, stays readable as text."""
    url, display = document.url, document.display
    if url and len(url.split()) > 1:
        url, display = None, f"{display}: {url}" if display else url
    file = fields(url=url, size=document.size, title=document.file, creation=document.date)
    return fields(
        type_=document.kind,
        label=document.label,
        display=display,
        citation=document.citation,
        url=None if document.file else url,
        document=file if document.file else None,
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


def _arm(arm: Arm, to: Context) -> Resource:
    link = to.id("ResearchStudy", arm.key, "arm")
    return fields(
        extension=[{"url": LINK_ID, "valueId": link}],
        name=arm.name,
        type_=registry_concept(to, "ArmGroupType", arm.kind) if arm.kind else None,
        description=arm.description,
    )
