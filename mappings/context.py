"""What a mapping may know: ids, FHIR release, identifier systems, code tables. Nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources as package_files
from io import StringIO
from typing import Any, TypeAlias, TypeVar

from mappings.code_tables import (
    CodeTable,
    freely_licensed,
    read_table,
    release_systems,
    with_systems,
)
from mappings.entities import Key
from mappings.flavours import Flavour, profiles_of, read_flavours
from mappings.locations import CANONICAL as CANONICAL
from mappings.locations import profile_url

Resource: TypeAlias = dict[str, Any]
IdFunction: TypeAlias = Callable[[str, str, Key], str]
T = TypeVar("T")

# The kind of entity behind each resource type: last part of the identifier system, and of the id.
KINDS: dict[str, str] = {
    "AdverseEvent": "adverse-event",
    "AuditEvent": "run",
    "Condition": "diagnosis",
    "Consent": "consent",
    "Device": "container",
    "DiagnosticReport": "sequencing",
    "DocumentReference": "document",
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
    "Provenance": "provenance",
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
        "Device",
        "DiagnosticReport",
        "DocumentReference",
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
        (name[:-1] if name[-1] == "_" else name): value
        for name, value in elements.items()
        if value or present(value)
    }


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a mapping may know; the same context and entity give the same bytes.

    ``release`` is R4, R4B or R5. ``flavours`` are the shapes of other people's guides that the
    study asks for, and ``profiles`` the URLs that they put in the place of our own profile's, by
    resource type or by the URL of ours: see ``mappings/flavours.csv``.
    """

    release: str
    study: Key
    identifier_base: str
    id_of: IdFunction
    tables: Mapping[str, CodeTable]
    flavours: frozenset[str] = frozenset()
    profiles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    _shared: dict[tuple[str | None, ...], Any] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    @property
    def r5(self) -> bool:
        """True where resources have the shape of R5."""
        return self.release == "R5"

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
        self,
        resource_type: str,
        *,
        key: Key,
        kind: str | None = None,
        profile: str | None = None,
        **elements: Any,
    ) -> Resource:
        """A resource with id, profile, tags and identifier; absent elements vanish here alone.

        ``profile`` is the name of our profile where it is not that of the type; ``identifier`` may
        be given to replace ours: pass ``[]`` for types that have none.
        """
        ours = self.identifier(resource_type, key, kind)
        return {
            "resourceType": resource_type,
            "id": ours["value"],
            "meta": self.shared(
                ("meta", resource_type, profile), lambda: self._meta(resource_type, profile)
            ),
            **fields(**{"identifier": [ours], **elements}),
        }

    def shared(self, name: tuple[str | None, ...], make: Callable[[], T]) -> T:
        """What ``make`` makes, made once for this name.

        It stands in many resources: nobody changes what was mapped.
        """
        if name not in self._shared:
            self._shared[name] = make()
        made: T = self._shared[name]
        return made

    def _meta(self, resource_type: str, profile: str | None) -> Resource:
        return fields(
            profile=self._profiles(resource_type, profile),
            tag=[{"system": f"{CANONICAL}/study", "code": self.study[0]}],
            security=[PSEUDED] if resource_type in PERSONAL else None,
        )

    def _profiles(self, resource_type: str, name: str | None) -> list[str]:
        own = profile_url(name or kebab(resource_type))
        return list(self.profiles.get(own if name else resource_type, ())) or [own]

    def coded(self, table: str, term: str, unit: str | None = None) -> Resource:
        """A CodeableConcept of all codings of a term. Raises KeyError for an unknown term."""
        return self.shared(("coded", table, term, unit), lambda: self._coded(table, term, unit))

    def _coded(self, table: str, term: str, unit: str | None) -> Resource:
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


@cache
def kebab(name: str) -> str:
    """``ResearchStudy`` as ``research-study``, the way profiles are named."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def form_url(to: Context, form: Key) -> str:
    """The canonical URL of a form's Questionnaire, which its filled-in forms name."""
    return f"{CANONICAL}/Questionnaire/{to.id('Questionnaire', form)}"


def load_tables(snomed: str = "gps", release: str = "R4") -> dict[str, CodeTable]:
    """The code tables that are shipped with the mappings, by name.

    ``snomed`` is ``gps``, or ``all`` for those who hold a SNOMED CT affiliate licence. ``release``
    decides between two URLs of one code system: see ``mappings/release_systems.csv``.
    """
    shipped = package_files.files("mappings")
    systems = shipped.joinpath("release_systems.csv").read_text(encoding="utf-8")
    written_as = release_systems(StringIO(systems), release)
    tables = {}
    for entry in sorted(shipped.joinpath("codes").iterdir(), key=str):
        if entry.name.endswith(".csv"):
            name = entry.name.removesuffix(".csv")
            table = read_table(name, StringIO(entry.read_text(encoding="utf-8")))
            table = with_systems(table, written_as) if written_as else table
            tables[name] = table if snomed == "all" else freely_licensed(table)
    return tables


def load_flavours() -> tuple[Flavour, ...]:
    """The rows of ``mappings/flavours.csv``, which is shipped with the mappings."""
    entry = package_files.files("mappings").joinpath("flavours.csv")
    return read_flavours(StringIO(entry.read_text(encoding="utf-8")))


def load_default_context(
    study: str,
    id_of: IdFunction,
    *,
    release: str = "R4",
    identifier_base: str | None = None,
    flavours: Collection[str] = (),
    snomed: str = "gps",
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
        tables=load_tables(snomed, release),
        flavours=frozenset(flavours),
        profiles=profiles_of(load_flavours(), flavours),
    )
