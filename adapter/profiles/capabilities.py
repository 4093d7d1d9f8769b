"""What a server must do for a study to be kept on it, as a CapabilityStatement.

https://hl7.org/fhir/R4/capabilitystatement.html  https://hl7.org/fhir/R5/capabilitystatement.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mappings.locations import CANONICAL

Resource = dict[str, Any]
INTERACTIONS = ("read", "create", "update", "delete", "search-type")
HL7 = "http://hl7.org/fhir/SearchParameter/"

# Types whose search by identifier HL7 defines for several types at once; the others have their own.
SHARED: Mapping[str, Mapping[str, frozenset[str]]] = {
    "R4": {
        "clinical-identifier": frozenset(
            "Condition Consent DiagnosticReport DocumentReference Encounter "
            "MedicationAdministration Observation Procedure".split()
        )
    },
    "R5": {
        "clinical-identifier": frozenset(
            "AdverseEvent Condition Consent DiagnosticReport DocumentReference Encounter "
            "Medication MedicationAdministration Observation Procedure QuestionnaireResponse "
            "RelatedPerson ResearchSubject Specimen".split()
        ),
        "CanonicalResource-identifier": frozenset(
            "ActivityDefinition PlanDefinition Questionnaire".split()
        ),
    },
}
# Types that HL7 defines no search by identifier for; ours of AdverseEvent stands in profiles/r4.
UNIDENTIFIED: Mapping[str, frozenset[str]] = {
    "R4": frozenset(("AdverseEvent", "AuditEvent", "Provenance")),
    "R5": frozenset(("AuditEvent", "Provenance")),
}
# Types that say by an extension which study they are of; the extensions pack defines the search.
OF_STUDY = frozenset(
    "Consent DiagnosticReport Encounter MedicationAdministration Observation Procedure "
    "QuestionnaireResponse".split()
)


def capability_statement(definitions: Sequence[Resource], release: str) -> Resource:
    """The statement that goes with these definitions: their profiles and how they are searched."""
    profiles: dict[str, list[str]] = {}
    for each in definitions:
        if each["resourceType"] == "StructureDefinition" and each["kind"] == "resource":
            profiles.setdefault(each["type"], []).append(each["url"])
    return {
        "resourceType": "CapabilityStatement",
        "id": "server",
        "url": f"{CANONICAL}/CapabilityStatement/server",
        "name": "StudyServer",
        "title": "Server of a study",
        "status": "active",
        "experimental": False,
        "description": "What a FHIR server must do for a study to be kept in step on it.",
        "kind": "requirements",
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "resource": [
                    _capability(kind, urls, [*_hl7s(kind, release), *_ours(kind, definitions)])
                    for kind, urls in sorted(profiles.items())
                ],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
            }
        ],
    }


def _capability(kind: str, profiles: list[str], searches: list[Resource]) -> Resource:
    return {
        "type": kind,
        "supportedProfile": sorted(profiles),
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned-update",
        "updateCreate": True,
        "searchParam": searches,
    }


def _hl7s(kind: str, release: str) -> Iterator[Resource]:
    """What HL7 defines and we use: by id before a first write, by identifier, by study."""
    edition = "R5" if release == "R5" else "R4"
    yield {"name": "_id", "definition": f"{HL7}Resource-id", "type": "token"}
    if kind not in UNIDENTIFIED[edition]:
        shared = (name for name, kinds in SHARED[edition].items() if kind in kinds)
        definition = next(shared, f"{kind}-identifier")
        yield {"name": "identifier", "definition": f"{HL7}{definition}", "type": "token"}
    if kind in OF_STUDY:
        definition = f"{HL7}workflow-researchStudy"
        yield {"name": "researchStudy", "definition": definition, "type": "reference"}


def _ours(kind: str, definitions: Sequence[Resource]) -> Iterator[Resource]:
    for each in definitions:
        if each["resourceType"] == "SearchParameter" and kind in each["base"]:
            yield {"name": each["code"], "definition": each["url"], "type": each["type"]}
