"""What a mapping may know: ids, FHIR release, identifier systems, code tables. Nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources as package_files
from io import StringIO
from typing import Any, TypeAlias

from mappings.code_tables import CodeTable, read_table
from mappings.entities import Key

Resource: TypeAlias = dict[str, Any]
IdFunction: TypeAlias = Callable[[str, str, Key], str]

CANONICAL = "https://w3id.org/study-fhir-adapter"

# The kind of entity behind each resource type: last part of the identifier system, and of the id.
KINDS: dict[str, str] = {
    "AdverseEvent": "adverse-event",
    "Condition": "diagnosis",
    "Consent": "consent",
    "DiagnosticReport": "sequencing",
    "Encounter": "visit",
    "Group": "group",
    "Location": "location",
    "Medication": "product",
    "MedicationAdministration": "treatment",
    "Observation": "measurement",
    "Organization": "organization",
    "Patient": "subject",
    "PlanDefinition": "protocol",
    "Practitioner": "practitioner",
    "PractitionerRole": "practitioner-role",
    "Procedure": "support",
    "Questionnaire": "form",
    "QuestionnaireResponse": "answers",
    "RelatedPerson": "guardian",
    "ResearchStudy": "study",
    "ResearchSubject": "participation",
    "Specimen": "sample",
    "ActivityDefinition": "intervention",
}

# Resources that are about one child and therefore carry the pseudonymisation label.
PERSONAL = frozenset(
    {
        "AdverseEvent",
        "Condition",
        "Consent",
        "DiagnosticReport",
        "Encounter",
        "MedicationAdministration",
        "Observation",
        "Patient",
        "Procedure",
        "QuestionnaireResponse",
        "RelatedPerson",
        "ResearchSubject",
        "Specimen",
    }
)

PSEUDED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "PSEUDED",
    "display": "pseudonymized",
}


def present(value: Any) -> bool:
    """False for what must not appear in FHIR JSON: None, and empty text, lists and objects."""
    return value is not None and value not in ("", [], {}, ())


def fields(**elements: Any) -> dict[str, Any]:
    """An object of the elements that are present. ``class_`` and the like lose the underscore."""
    return {
        (name[:-1] if name.endswith("_") else name): value
        for name, value in elements.items()
        if present(value)
    }


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a mapping may know; the same context and entity give the same bytes."""

    release: str
    study: Key
    identifier_base: str
    id_of: IdFunction
    tables: Mapping[str, CodeTable]

    def system(self, resource_type: str, kind: str | None = None) -> str:
        """The identifier system of a kind of entity."""
        return f"{self.identifier_base}/{kind or KINDS[resource_type]}"

    def id(self, resource_type: str, key: Key, kind: str | None = None) -> str:
        """The logical id of a resource: a keyed pseudonym of its entity's key."""
        return self.id_of(resource_type, self.system(resource_type, kind), key)

    def reference(self, resource_type: str, key: Key, kind: str | None = None) -> Resource:
        """A relative literal reference to the resource of an entity."""
        return {"reference": f"{resource_type}/{self.id(resource_type, key, kind)}"}

    def identifier(self, resource_type: str, key: Key, kind: str | None = None) -> Resource:
        """The business identifier: our system, and the pseudonym as value."""
        return {
            "system": self.system(resource_type, kind),
            "value": self.id(resource_type, key, kind),
        }

    def resource(
        self, resource_type: str, *, key: Key, kind: str | None = None, **elements: Any
    ) -> Resource:
        """A resource with id, tags and identifier; absent elements vanish here and nowhere else.

        ``identifier`` may be given to replace ours; pass ``[]`` for types that have none.
        """
        meta: Resource = {"tag": [{"system": f"{CANONICAL}/study", "code": self.study[0]}]}
        if resource_type in PERSONAL:
            meta["security"] = [PSEUDED]
        identifier = elements.pop("identifier", [self.identifier(resource_type, key, kind)])
        return {
            "resourceType": resource_type,
            "id": self.id(resource_type, key, kind),
            "meta": meta,
            **fields(identifier=identifier, **elements),
        }

    def coded(self, table: str, term: str, unit: str | None = None) -> Resource:
        """A CodeableConcept of all codings of a term. Raises KeyError for an unknown term."""
        rows = self.tables[table].rows(term, unit)
        return fields(
            coding=[row.coding() for row in rows if row.code],
            text=rows[0].label if rows else None,
        )

    def coding(self, table: str, term: str) -> Resource:
        """The leading Coding of a term."""
        return self.tables[table].rows(term)[0].coding()

    def code(self, table: str, term: str) -> str:
        """The leading code of a term, for elements of type ``code``."""
        return self.tables[table].rows(term)[0].code


def form_url(to: Context, form: Key) -> str:
    """The canonical URL of a form's Questionnaire, which its filled-in forms name."""
    return f"{CANONICAL}/Questionnaire/{to.id('Questionnaire', form)}"


def load_tables() -> dict[str, CodeTable]:
    """The code tables that are shipped with the mappings, by name."""
    tables = {}
    for entry in sorted(package_files.files("mappings").joinpath("codes").iterdir(), key=str):
        if entry.name.endswith(".csv"):
            name = entry.name.removesuffix(".csv")
            tables[name] = read_table(name, StringIO(entry.read_text(encoding="utf-8")))
    return tables


def load_default_context(
    study: str, id_of: IdFunction, *, release: str = "R4", identifier_base: str | None = None
) -> Context:
    """A context with the shipped code tables, for the study with this id.

    ``id_of(resource type, identifier system, key)`` gives the logical ids; it must be keyed where
    the data are of people, as ``adapter.privacy.id_function`` is.
    """
    return Context(
        release=release,
        study=(study,),
        identifier_base=identifier_base or f"{CANONICAL}/studies/{study.lower()}",
        id_of=id_of,
        tables=load_tables(),
    )
