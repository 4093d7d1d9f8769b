"""CodeSystem: what it says of itself agrees with its concepts, and properties with their use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from adapter.validation.code_systems import CONCEPT_PROPERTIES, is_absolute
from adapter.validation.issues import Issue
from adapter.validation.resources.common import Json, Sources, children, error, extensions, text

HL7 = ("hl7.org", "fhir.org")
# https://hl7.org/fhir/codesystem-concept-properties.html
PROPERTIES = {
    "status": "code",
    "inactive": "boolean",
    "effectiveDate": "dateTime",
    "deprecationDate": "dateTime",
    "retirementDate": "dateTime",
    "notSelectable": "boolean",
    "parent": "code",
    "child": "code",
    "partOf": "code",
    "synonym": "code",
    "comment": "string",
    "itemWeight": "decimal",
}
# those whose codes are the system's own
INTERNAL = frozenset({"parent", "child", "partOf", "synonym"})
VALUE_SETS = (
    "http://hl7.org/fhir/StructureDefinition/codesystem-property-valueset",
    "http://hl7.org/fhir/6.0/StructureDefinition/extension-CodeSystem.property.valueSet",
)
TYPES = ("code", "Coding", "string", "integer", "boolean", "dateTime", "decimal")
VALUES = {f"value{name[0].upper()}{name[1:]}": name for name in TYPES}


@dataclass(slots=True)
class Property:
    """A declared property, and which of FHIR's it is; ``bound`` ones take codes of a value set."""

    type: str | None
    meant: str | None = None
    bound: bool = False

    def is_internal(self, supplement: bool) -> bool:
        """Whether its codes are the system's own; a supplement's are unless it says else."""
        if self.type != "code":
            return False
        if supplement:
            return not self.bound and self.meant != "status"
        return self.meant in INTERNAL


@dataclass(slots=True)
class Concepts:
    """What the walk through the concepts gathers."""

    codes: set[str | None] = field(default_factory=set)
    properties: dict[str, Property] = field(default_factory=dict)
    referred: set[str] = field(default_factory=set)


def check(system: Json, sources: Sources) -> list[Issue]:
    """Errors of a code system."""
    issues = [*_check_content(system), *_check_count(system)]
    issues += _check_value_set(system, sources)
    issues += _check_supplement(system, sources)
    seen = Concepts()
    for path, declared in children(system, "property"):
        issues += _check_property(declared, path, text(system, "url"), seen)
    concepts = list(_concepts(system))
    for path, concept in concepts:
        code = text(concept, "code")
        if code in seen.codes:
            issues.append(error(path, f"the code {code} is defined", "CODESYSTEM_DUPLICATE_CODE"))
        seen.codes.add(code)
    supplement = "supplements" in system
    allowed: set[str | None] | None = seen.codes
    if supplement:
        base = _supplemented(system, sources)
        allowed = {text(one, "code") for _, one in _concepts(base)} if base else None
    for path, concept in concepts:
        for at, value in children(concept, "property", path):
            issues += _check_value(value, at, seen, allowed, supplement)
    return issues


def _concepts(owner: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    for at, concept in children(owner, "concept", path):
        yield at, concept
        yield from _concepts(concept, at)


def _check_content(system: Json) -> list[Issue]:
    content = text(system, "content")
    url = text(system, "url") or ""
    if text(system, "supplements"):
        issues = []
        if content not in (None, "supplement"):
            name = "CODESYSTEM_CS_HL7_PRESENT_ELEMENT_SUPPL_WRONG"
            issues.append(error(".content", "the content of a supplement is 'supplement'", name))
        if "caseSensitive" in system:
            name = "CODESYSTEM_CS_HL7_PRESENT_ELEMENT_SUPPL"
            issues.append(error(".caseSensitive", "a supplement does not say so", name))
        return issues
    if content == "supplement":
        name = "CODESYSTEM_CS_HL7_PRESENT_ELEMENT_SUPPL_MISSING"
        return [error(".content", "a supplement names the system it supplements", name)]
    if content is None and any(host in url for host in HL7):
        name = "CODESYSTEM_CS_HL7_MISSING_ELEMENT_SHALL"
        return [error("", "a code system of HL7 states its content", name)]
    return []


def _check_count(system: Json) -> list[Issue]:
    content, stated = text(system, "content"), system.get("count")
    issues = []
    if content == "complete" and type(stated) is int and stated >= 0:
        found = sum(1 for _ in _concepts(system))
        if found != stated:
            name = "CODESYSTEM_CS_COUNT_COMPLETE_WRONG"
            message = f"the system is complete with {found} concepts, and states {stated}"
            issues.append(error(".count", message, name, "invalid"))
    if content == "not-present" and next(children(system, "concept"), None):
        name = "CODESYSTEM_CS_COUNT_NO_CONTENT_ALLOWED"
        issues.append(error(".concept[0]", "the content is said to be absent", name, "invalid"))
    return issues


def _check_value_set(system: Json, sources: Sources) -> list[Issue]:
    """The value set of all codes includes the system, the whole of it and nothing else."""
    url, named = text(system, "url"), text(system, "valueSet")
    value_set = sources.definitions.value_set(named) if named else None
    if value_set is None or not _is_version(named, value_set):
        return []
    compose = value_set.get("compose")
    includes = compose.get("include", []) if isinstance(compose, dict) else []
    if len(includes) != 1:
        message = f"the value set {named} of all codes has not one include"
        return [error("", message, "CodeSystem_CS_VS_Invalid")]
    include = includes[0]
    if include.get("system") != url:
        message = f"the value set {named} of all codes includes {include.get('system')}"
        return [error("", message, "CodeSystem_CS_VS_WrongSystem")]
    if any(name in include for name in ("valueSet", "concept", "filter")):
        message = f"the value set {named} of all codes includes a part"
        return [error("", message, "CodeSystem_CS_VS_IncludeDetails")]
    return []


def _is_version(canonical: str | None, found: Json) -> bool:
    _, bar, version = (canonical or "").partition("|")
    return not bar or str(found.get("version", "")).startswith(version)


def _check_supplement(system: Json, sources: Sources) -> list[Issue]:
    supplemented = text(system, "supplements")
    if supplemented is None:
        if text(system, "content") == "supplement" or "supplements" in system:
            message = "a supplement names the system it supplements"
            return [error("", message, "CODESYSTEM_CS_SUPP_NO_SUPP")]
        return []
    base = _supplemented(system, sources)
    if base is None:
        return []
    issues = []
    meaning, given = base.get("hierarchyMeaning"), system.get("hierarchyMeaning")
    if meaning and given and meaning != given:
        message = f"the system's hierarchy means {meaning}, the supplement's {given}"
        issues.append(error("", message, "CODESYSTEM_CS_SUPP_HIERARCHY_MEANING"))
    known = {concept.get("code") for _, concept in _concepts(base)}
    for path, concept in children(system, "concept"):
        code = text(concept, "code")
        if code is not None and code not in known:
            message = f"{supplemented} has no code {code}"
            issues.append(error(path, message, "CODESYSTEM_CS_SUPP_INVALID_CODE"))
    return issues


def _supplemented(system: Json, sources: Sources) -> Json | None:
    """The system that a supplement is for, if all of its codes are known."""
    canonical = text(system, "supplements")
    base = sources.definitions.code_system(canonical) if canonical else None
    if base is None or base.get("content") != "complete" or not _is_version(canonical, base):
        return None
    return base


def _check_property(declared: Json, path: str, url: str | None, seen: Concepts) -> list[Issue]:
    uri, code, kind = (text(declared, name) for name in ("uri", "code", "type"))
    made = Property(kind, bound=any(extensions(declared, one) for one in VALUE_SETS))
    issues = []
    meant = None
    if uri is not None:
        if not is_absolute(uri):
            name = "CODESYSTEM_PROPERTY_ABSOLUTE_URI"
            issues.append(error(path, f"{uri} is not absolute", name))
        else:
            if uri in seen.properties:
                name = "CODESYSTEM_PROPERTY_DUPLICATE_URI"
                issues.append(error(path, f"{uri} is declared already", name))
            seen.properties.setdefault(uri, made)
            meant = _official(uri)
            if meant is None and "://hl7.org/fhir" in uri and not _may_define(url, uri):
                name = "CODESYSTEM_PROPERTY_BAD_HL7_URI"
                issues.append(error(path, f"{uri} is not a property that FHIR defines", name))
    if code is not None:
        if code in seen.properties:
            name = "CODESYSTEM_PROPERTY_DUPLICATE_CODE"
            issues.append(error(path, f"{code} is declared already", name))
        seen.properties.setdefault(code, made)
    if meant is not None:
        made.meant = meant
        if code in PROPERTIES and code != meant:
            name = "CODESYSTEM_PROPERTY_URI_CODE_MISMATCH"
            issues.append(error(path, f"{uri} is the property {meant}, not {code}", name))
        if kind is not None and kind != PROPERTIES[meant]:
            name = "CODESYSTEM_PROPERTY_URI_TYPE_MISMATCH"
            issues.append(error(path, f"{uri} is a {PROPERTIES[meant]}, not a {kind}", name))
    return issues


def _official(uri: str) -> str | None:
    name = uri.removeprefix(CONCEPT_PROPERTIES)
    return name if name != uri and name in PROPERTIES else None


def _may_define(url: str | None, uri: str) -> bool:
    """FHIR's own code systems define properties, and so does every system under its URL."""
    base = "http://hl7.org/fhir/"
    if url is None:
        return True
    return uri.startswith(url) or (url.startswith(base) and "/" not in url.removeprefix(base))


def _check_value(
    given: Json, path: str, seen: Concepts, allowed: set[str | None] | None, supplement: bool
) -> list[Issue]:
    code = text(given, "code")
    if code is None:
        return []
    name = next((name for name in VALUES if name in given or f"_{name}" in given), None)
    if name is None:
        message = f"the property {code} has no value"
        return [error(path, message, "CODESYSTEM_PROPERTY_NO_VALUE")]
    declared = seen.properties.get(code)
    if declared is None:
        return []
    if declared.type != VALUES[name]:
        message = f"the property {code} is a {declared.type}, not a {VALUES[name]}"
        return [error(path, message, "CODESYSTEM_PROPERTY_WRONG_TYPE")]
    value = given.get(name)
    if allowed is None or not declared.is_internal(supplement) or not isinstance(value, str):
        return []
    new = value not in seen.referred
    seen.referred.add(value)
    if new and value not in allowed:
        message = f"the system has no code {value}"
        return [error(path, message, "CODESYSTEM_PROPERTY_BAD_INTERNAL_REFERENCE", "invalid")]
    return []
