"""Rules that HL7's validator applies to single resource types beyond their StructureDefinition."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from adapter.validation.definitions import Definitions
from adapter.validation.issues import Issue
from adapter.validation.resources.common import Sources
from adapter.validation.terminology import Terminology

MODULES = {
    "CapabilityStatement": "capability_statement",
    "CodeSystem": "code_system",
    "ConceptMap": "concept_map",
    "ImplementationGuide": "implementation_guide",
    "Measure": "measure",
    "OperationDefinition": "operation_definition",
    "SearchParameter": "search_parameter",
    "StructureDefinition": "structure_definition",
    "StructureMap": "structure_map",
    "ValueSet": "value_set",
}
HL7 = "http://hl7.org/fhir/"


def check_resource_rules(
    resource: dict[str, Any], release: str, definitions: Definitions, terminology: Terminology
) -> list[Issue]:
    """Errors of a resource by the rules of its type, with paths from the resource on."""
    kind = resource.get("resourceType")
    url = resource.get("url")
    issues: list[Issue] = []
    if isinstance(url, str) and url.startswith(HL7):
        from adapter.validation.resources.publisher import check_publisher

        issues += check_publisher(resource)
    if isinstance(kind, str) and (module := MODULES.get(kind)):
        check = import_module(f"{__name__}.{module}").check
        issues += check(resource, Sources(release, definitions, terminology))
    return issues
