"""ConceptMap: codes are those of their systems, properties and attributes those declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from adapter.validation.issues import Issue
from adapter.validation.resources.common import Json, Sources, children, error, text

PROPERTY_TYPES = "Coding string integer boolean dateTime decimal code".split()
ATTRIBUTE_TYPES = "code Coding string boolean Quantity".split()


class Scope(NamedTuple):
    """The value set that a map's codes are of, by R5's name of it or R4's."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Side:
    """Where the codes of a group come from, or go to."""

    role: str  # SOURCE, TARGET
    url: str
    codes: frozenset[str] | None
    value_set: str | None


def check(concept_map: Json, sources: Sources) -> list[Issue]:
    """Errors of a concept map."""
    issues = []
    properties: dict[str, str | None] = {}
    attributes: dict[str, str | None] = {}
    if sources.release == "R5":
        for path, declared in children(concept_map, "property"):
            kind, code = text(declared, "type"), text(declared, "code")
            if kind == "code" and text(declared, "system") is None:
                name = "CONCEPTMAP_GROUP_TARGET_PROPERTY_TYPE_NO_SYSTEM"
                issues.append(error(path, "a property that is a code needs a system", name))
            if code is not None:
                properties[code] = kind
        for _, declared in children(concept_map, "additionalAttribute"):
            if (code := text(declared, "code")) is not None:
                attributes[code] = text(declared, "type")
    scopes = [_scope(concept_map, "source"), _scope(concept_map, "target")]
    for scope in scopes:
        if scope is not None and _is_no_value_set(scope.url, sources):
            message = f"{scope.url} is not a value set"
            issues.append(error(f".{scope.name}", message, "CONCEPTMAP_VS_NOT_A_VS", "invalid"))
    for path, group in children(concept_map, "group"):
        source = _side(group, "source", scopes[0], sources)
        target = _side(group, "target", scopes[1], sources)
        for at, element in children(group, "element", path):
            issues += _check_code(element, at, source, sources)
            for where, mapped in children(element, "target", at):
                issues += _check_code(mapped, where, target, sources)
                if sources.release == "R5":
                    issues += _check_properties(mapped, where, properties, attributes)
    return issues


def _scope(concept_map: Json, role: str) -> Scope | None:
    for stem in (f"{role}Scope", role):
        for kind in ("Uri", "Canonical"):
            if (found := text(concept_map, stem + kind)) is not None:
                return Scope(stem, found)
    return None


def _is_no_value_set(url: str, sources: Sources) -> bool:
    known = sources.definitions
    if known.value_set(url) is not None:
        return False
    return known.structure(url) is not None or known.code_system(url) is not None


def _side(group: Json, name: str, scope: Scope | None, sources: Sources) -> Side | None:
    url = text(group, name)
    if url is None:
        return None
    url, _, version = url.partition("|")
    version = text(group, f"{name}Version") or version
    system = sources.definitions.code_system(url)
    codes = None
    complete = system is not None and system.get("content") == "complete"
    if system is not None and complete and str(system.get("version", "")).startswith(version):
        codes = frozenset(_codes(system))
    return Side(name.upper(), url, codes, scope.url if scope else None)


def _codes(owner: Json) -> list[str]:
    found = []
    for _, concept in children(owner, "concept"):
        if (code := text(concept, "code")) is not None:
            found.append(code)
        found += _codes(concept)
    return found


def _check_code(element: Json, path: str, side: Side | None, sources: Sources) -> list[Issue]:
    code = text(element, "code")
    if code is None or side is None or side.codes is None:
        return []
    at = f"{path}.code"
    if code not in side.codes:
        name = f"CONCEPTMAP_GROUP_{side.role}_CODE_INVALID"
        return [error(at, f"{side.url} has no code {code}", name, "required")]
    coding = {"system": side.url, "code": code}
    if side.value_set and sources.terminology.member_of(coding, side.value_set) is False:
        name = f"CONCEPTMAP_GROUP_{side.role}_CODE_INVALID_VS"
        return [error(at, f"{code} is not in {side.value_set}", name, "required")]
    return []


def _check_properties(
    target: Json, path: str, properties: dict[str, Any], attributes: dict[str, Any]
) -> list[Issue]:
    issues = []
    for at, given in children(target, "property", path):
        issues += _check_declared(given, "code", at, properties, PROPERTY_TYPES)
    for name in ("dependsOn", "product"):
        for at, given in children(target, name, path):
            issues += _check_declared(given, "attribute", at, attributes, ATTRIBUTE_TYPES)
    return issues


def _check_declared(
    given: Json, name: str, path: str, declared: dict[str, Any], types: list[str]
) -> list[Issue]:
    code = text(given, name)
    if code is None:
        return []
    if code not in declared:
        message = f"{code} is not declared in this map"
        message_id = "CONCEPTMAP_GROUP_TARGET_PROPERTY_INVALID"
        return [error(f"{path}.{name}", message, message_id, "required")]
    kind = next((t for t in types if f"value{t[0].upper()}{t[1:]}" in given), None)
    if kind is None or kind == declared[code]:
        return []
    message = f"{code} is a {declared[code]}, not a {kind}"
    message_id = "CONCEPTMAP_GROUP_TARGET_PROPERTY_TYPE_MISMATCH"
    return [error(f"{path}.value.ofType({kind})", message, message_id, "required")]
