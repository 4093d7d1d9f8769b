"""ValueSet: systems are named as systems, filters suit their property, expansions explain."""

from __future__ import annotations

import re
from typing import Any

from adapter.validation.code_systems import is_absolute
from adapter.validation.issues import Issue
from adapter.validation.resources.common import Json, Sources, child, children, error, text

SNOMED, LOINC = "http://snomed.info/sct", "http://loinc.org"
EXPRESSION = "http://hl7.org/fhir/StructureDefinition/cqf-expression"
COMPARED = re.compile(r"^(?:eq|ne|gt|lt|ge|le|sa|eb|ap)")
YEAR = r"(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
DAY = r"(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01])(?:T.+)?)?)?"
FORMS = {
    "boolean": (re.compile("true|false"), "VALUESET_BAD_FILTER_VALUE_BOOLEAN"),
    "integer": (re.compile(r"-?\d+", re.ASCII), "VALUESET_BAD_FILTER_VALUE_INTEGER"),
    "decimal": (
        re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII),
        "VALUESET_BAD_FILTER_VALUE_DECIMAL",
    ),
    "dateTime": (re.compile(YEAR + DAY, re.ASCII), "VALUESET_BAD_FILTER_VALUE_DATETIME"),
    "code": (re.compile(r"\S(?:.*\S)?", re.DOTALL), "VALUESET_BAD_FILTER_VALUE_CODE"),
}
# properties that every system has: https://hl7.org/fhir/codesystem-concept-properties.html
COMMON = {
    "concept": "code",
    "code": "code",
    "status": "code",
    "synonym": "code",
    "inactive": "boolean",
    "notSelectable": "boolean",
    "effectiveDate": "dateTime",
    "deprecationDate": "dateTime",
    "retirementDate": "dateTime",
    "itemWeight": "decimal",
}
HIERARCHY = dict.fromkeys(("parent", "child", "partOf"), "code")
LOINC_PROPERTIES = (
    "parent child ancestor descendent COMPONENT PROPERTY TIME_ASPCT SYSTEM SCALE_TYP METHOD_TYP"
    " CLASS STATUS CLASSTYPE ORDER_OBS"
).split()
# https://terminology.hl7.org/SNOMEDCT.html and LOINC.html: property -> operators
OPERATORS = {
    (SNOMED, "concept"): {"is-a", "is-not-a", "in", "descendent-of", "descendent-leaf"},
    (SNOMED, "constraint"): {"="},
    (SNOMED, "expressions"): {"=", "in"},
    (SNOMED, "inactive"): {"=", "in"},
    (LOINC, "concept"): {"=", "is-a", "is-not-a"},
    **{(LOINC, name): {"=", "exists", "regex", "in", "not-in"} for name in LOINC_PROPERTIES},
}
# whatever is asked of these is a code
CODES_ONLY = ("http://unitsofmeasure.org", "http://www.nlm.nih.gov/research/umls/rxnorm")
CPT = "http://www.ama-assn.org/go/cpt"


def check(value_set: Json, sources: Sources) -> list[Issue]:
    """Errors of a value set."""
    issues = []
    if compose := child(value_set, "compose"):
        for name in ("include", "exclude"):
            for path, include in children(compose, name, ".compose"):
                issues += _check_include(include, path, value_set, sources)
    if expansion := child(value_set, "expansion"):
        issues += _check_expansion(expansion)
    return issues


def _check_include(include: Json, path: str, value_set: Json, sources: Sources) -> list[Issue]:
    stated, version = text(include, "system"), text(include, "version")
    if stated is None:
        return []
    system, bar, suffix = stated.partition("|")
    issues = []
    if bar and suffix:
        number = 1 if version is None else 3 if version == suffix else 2
        message = f"the version {suffix} belongs into the element version"
        name = f"VALUESET_REFERENCE_INVALID_TYPE_NO_VERSION_{number}"
        issues.append(error(path, message, name))
    if not is_absolute(system):
        name = "VALUESET_INCLUDE_SYSTEM_ABSOLUTE"
        fragment = system.startswith("#")
        message = f"the system {system} is not absolute"
        issues.append(error(path, message, name + "_FRAG" if fragment else name, "invalid"))
        if fragment:
            issues += _check_contained(system, version, path, value_set)
    canonical = f"{system}|{version}" if version else system
    known = sources.definitions.code_system(canonical)
    if known is not None and known.get("content") == "supplement":
        name = "VALUESET_INCLUDE_CS_SUPPLEMENT"
        message = f"{system} is a supplement: include what it supplements"
        issues.append(error(path, message, name, "invalid"))
    if known is None and (other := sources.definitions.value_set(canonical)) is not None:
        message = f"{system} is a value set, not a code system"
        issues.append(error(path, message, _wrong_value_set(other), "invalid"))
    for at, condition in children(include, "filter", path):
        issues += _check_filter(condition, at, system, known)
    return issues


def _wrong_value_set(value_set: Json) -> str:
    compose = child(value_set, "compose") or {}
    systems = {text(one, "system") for _, one in children(compose, "include")} - {None}
    return "VALUESET_INCLUDE_WRONG_VS" + {0: "", 1: "_HINT"}.get(len(systems), "_MANY")


def _check_contained(system: str, version: str | None, path: str, value_set: Json) -> list[Issue]:
    issues, found = [], 0
    for _, contained in children(value_set, "contained"):
        if f"#{contained.get('id')}" != system:
            continue
        if contained.get("resourceType") != "CodeSystem":
            message = f"{system} is a {contained.get('resourceType')}"
            issues.append(error(path, message, "VALUESET_INCLUDE_CS_NOT_CS", "invalid"))
        elif version in (None, contained.get("version")):
            found += 1
    if found != 1:
        kind = "CS" if version is None else "CSVER"
        fault = "NOT_FOUND" if found == 0 else "MULTI_FOUND"
        message = f"{found} contained code systems are called {system}"
        issues.append(error(path, message, f"VALUESET_INCLUDE_{kind}_{fault}", "invalid"))
    return issues


def _check_filter(condition: Json, path: str, system: str, known: Json | None) -> list[Issue]:
    name, operator, value = (text(condition, n) for n in ("property", "op", "value"))
    if name is None:
        return []
    allowed = OPERATORS.get((system, name))
    kind = _type(name, system, known)
    if kind is None and allowed is None:
        return []
    issues = []
    if allowed is not None and operator is not None and operator not in allowed:
        message = f"{operator} cannot be asked of {name} in {system}"
        issues.append(error(path, message, "VALUESET_BAD_FILTER_OP", "invalid"))
    computed = _is_computed(condition)
    if value is None:
        if not computed:
            message = "a filter has a value or an expression"
            issues.append(error(path, message, "VALUESET_BAD_FILTER_EXPR_OR_VALUE", "invalid"))
        return issues
    if computed:
        message = "a filter has a value or an expression, not both"
        issues.append(error(path, message, "VALUESET_BAD_FILTER_EXPR_AND_VALUE", "invalid"))
    return issues + _check_operand(name, operator, value, kind, path, known)


def _is_computed(condition: Json) -> bool:
    sibling = child(condition, "_value") or {}
    return any(e.get("url") == EXPRESSION for _, e in children(sibling, "extension"))


def _type(name: str, system: str, known: Json | None) -> str | None:
    """The type of a property; None for strings, and for what nobody can check."""
    if system in CODES_ONLY:
        return "code" if name in COMMON else None
    if system in (LOINC, CPT) or (system, name) == (SNOMED, "constraint"):
        return None
    if known is not None:
        for _, declared in children(known, "property"):
            if declared.get("code") == name:
                return text(declared, "type")
        if "hierarchyMeaning" in known and name in HIERARCHY:
            return "code"
    return COMMON.get(name)


def _check_operand(
    name: str, operator: str | None, value: str, kind: str | None, path: str, known: Json | None
) -> list[Issue]:
    if operator == "regex":
        return _check_regex(name, value, path)
    if operator == "exists":
        kind = "boolean"
    values = value.split(",") if operator in ("in", "not-in") else [value]
    issues = []
    for one in values:
        issues += _check_value(name, one, kind, path)
    complete = known is not None and known.get("content") == "complete"
    if known is not None and complete and operator != "exists" and _is_own(name, known):
        codes = _codes(known)
        for one in values:
            if one not in codes:
                message = f"{known.get('url')} has no code {one}"
                message_id = "VALUESET_BAD_FILTER_VALUE_VALID_CODE"
                issues.append(error(path, message, message_id, "invalid"))
    return issues


def _is_own(name: str, known: Json) -> bool:
    """Whether a property's values are the system's codes; what it declares may be others'."""
    declared = {one.get("code") for _, one in children(known, "property")}
    return name in ("concept", "code", *HIERARCHY) and name not in declared


def _codes(owner: Json) -> set[Any]:
    found = set()
    for _, concept in children(owner, "concept"):
        found |= {concept.get("code"), *_codes(concept)}
    return found


def _check_regex(name: str, value: str, path: str) -> list[Issue]:
    issues = []
    try:
        re.compile(value)
    except re.error as fault:
        message = f"{value} is not a regular expression: {fault}"
        message_id = "VALUESET_BAD_FILTER_VALUE_VALID_REGEX"
        issues.append(error(path, message, message_id, "invalid"))
    if name == "concept":
        message = "concepts are not matched by a regular expression"
        issues.append(error(path, message, "VALUESET_BAD_PROPERTY_NO_REGEX", "invalid"))
    return issues


def _check_value(name: str, value: str, kind: str | None, path: str) -> list[Issue]:
    if kind not in FORMS:
        return []
    form, message_id = FORMS[kind]
    if kind in ("integer", "decimal", "dateTime"):
        value = COMPARED.sub("", value)
    if form.fullmatch(value):
        return []
    return [error(path, f"{name} is a {kind}, not {value}", message_id, "invalid")]


def _check_expansion(expansion: Json) -> list[Issue]:
    """Systems without a version have one in the parameters, and properties are declared."""
    unversioned: set[str] = set()
    properties: set[str] = set()
    _gather(expansion, unversioned, properties)
    used = {
        value
        for _, parameter in children(expansion, "parameter")
        if parameter.get("name") == "used-codesystem"
        for key, value in parameter.items()
        if key.startswith("value") and isinstance(value, str)
    }
    issues = []
    for system in sorted(unversioned):
        if len([one for one in used if one.startswith(f"{system}|")]) > 1:
            message = f"the expansion used several versions of {system}"
            message_id = "VALUESET_EXPANSION_PARAMETER_SYSTEM_MULTIPLE"
            issues.append(error(".expansion", message, message_id, "invalid"))
    declared = {text(one, "code") for _, one in children(expansion, "property")}
    for name in sorted(properties - declared):
        message = f"the property {name} is not declared"
        message_id = "VALUESET_EXPANSION_PROPERTY_NO_DEFN"
        issues.append(error(".expansion", message, message_id, "invalid"))
    return issues


def _gather(owner: Json, unversioned: set[str], properties: set[str]) -> None:
    for _, contained in children(owner, "contains"):
        system = text(contained, "system")
        if system is not None and text(contained, "version") is None:
            unversioned.add(system)
        for _, given in children(contained, "property"):
            for one in (given, *(sub for _, sub in children(given, "subProperty"))):
                if (code := text(one, "code")) is not None:
                    properties.add(code)
        _gather(contained, unversioned, properties)
