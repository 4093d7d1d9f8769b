"""What single datatypes demand beyond their structure.

Bindings of codes, units of quantities, targets of references, narrative, attachments.
https://hl7.org/fhir/R4/datatypes.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapter.validation.attachments import check_attachment
from adapter.validation.context import Check, Context, Found
from adapter.validation.definitions import CORE
from adapter.validation.elements import Element
from adapter.validation.issues import Issue
from adapter.validation.narrative import check_narrative
from adapter.validation.references import check_reference
from adapter.validation.ucum import problem as unit_problem
from adapter.validation.uris import check_identifier

if TYPE_CHECKING:
    from adapter.validation.compiler import Compiler, StructureCompiler

UCUM = "http://unitsofmeasure.org"
QUANTITIES = frozenset({"Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity"})
CODES = frozenset({"code", "string", "uri", "url", "canonical", "id", "markdown"})
PLAIN_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}")
TYPE_IN_URL = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/.+)?")


def checks(
    compiler: Compiler,
    owner: StructureCompiler,
    element: Element,
    declared: dict[str, Any],
    code: str,
) -> list[Check]:
    """The checks that an element of a type needs beside its structure."""
    if code == "Reference":
        return [_reference(compiler, declared)]
    if code == "CodeableConcept":
        return [_concept(compiler, element)]
    if code == "CodeableReference":
        return [_codeable_reference(compiler, element)]
    if code == "Coding":
        base = element.definition.get("base", {}).get("path")
        return [] if base == "CodeableConcept.coding" else [_coding(compiler, element)]
    if code in QUANTITIES:
        return [_quantity(compiler, element)]
    if code == "Identifier":
        return [_identifier]
    if code == "Attachment":
        return [_attachment]
    return []


def binding_of(element: Element) -> tuple[str | None, str | None]:
    """(value set, strength) of an element."""
    binding = element.definition.get("binding", {})
    return binding.get("valueSet"), binding.get("strength")


def code_binding(compiler: Compiler, element: Element, code: str) -> Check | None:
    """The check of a primitive's code against its value set."""
    value_set, strength = binding_of(element)
    if value_set is None or code not in CODES or strength not in ("required", "extensible"):
        return None
    terminology = compiler.terminology
    members = terminology.members(value_set) if strength == "required" else None
    known = {m if isinstance(m, str) else m[1] for m in members} if members else frozenset()

    def check(value: Any, _sibling: Any, _context: Context) -> Found:
        if type(value) is str and value in known:
            return None
        if value is None or value == "" or (type(value) is str and value.isspace()):
            if strength != "required":
                return None
            text = "no code provided, and a code is required from the value set"
            name = "Terminology_TX_Code_ValueSet_MISSING"
            return [Issue("error", "code-invalid", "", text, name)]
        if not isinstance(value, str):
            return None
        return terminology.check_code(value, value_set, strength, "")

    return check


def _concept(compiler: Compiler, element: Element) -> Check:
    value_set, strength = binding_of(element)
    check_concept = compiler.terminology.check_concept

    def check(value: Any, _sibling: Any, _context: Context) -> Found:
        if type(value) is not dict:
            return None
        return check_concept(value, value_set, strength, "")

    return check


def _codeable_reference(compiler: Compiler, element: Element) -> Check:
    concept = _concept(compiler, element)

    def check(value: Any, _sibling: Any, context: Context) -> Found:
        held = value.get("concept") if type(value) is dict else None
        found = concept(held, None, context) if type(held) is dict else None
        return [one.below(".concept") for one in found] if found else None

    return check


def _coding(compiler: Compiler, element: Element) -> Check:
    value_set, strength = binding_of(element)
    check_coding = compiler.terminology.check_coding

    def check(value: Any, _sibling: Any, _context: Context) -> Found:
        if type(value) is not dict:
            return None
        return check_coding(value, value_set, strength, "")

    return check


def _quantity(compiler: Compiler, element: Element) -> Check:
    value_set, strength = binding_of(element)
    check_coding = compiler.terminology.check_coding
    good: set[str] = set()

    def check(value: Any, _sibling: Any, _context: Context) -> Found:
        if type(value) is not dict:
            return None
        unit, system = value.get("code"), value.get("system")
        if system == UCUM and type(unit) is str and unit not in good:
            text = unit_problem(unit)
            if text is not None:
                name = "Terminology_PassThrough_TX_Message"
                return [Issue("error", "code-invalid", "", text, name)]
            good.add(unit)
        if value_set and unit is not None and strength in ("required", "extensible"):
            return check_coding({"system": system, "code": unit}, value_set, strength, "")
        return None

    return check


def _identifier(value: Any, _sibling: Any, _context: Context) -> Found:
    return check_identifier(value, "") if type(value) is dict else None


def _attachment(value: Any, _sibling: Any, _context: Context) -> Found:
    if type(value) is not dict or ("data" not in value and "url" not in value):
        return None
    return check_attachment(value, "")


def narrative(release: str) -> Check:
    """The check of ``Narrative.div``."""

    def check(value: Any, _sibling: Any, _context: Context) -> Found:
        return check_narrative(value, "", release) if type(value) is str else None

    return check


def _reference(compiler: Compiler, declared: dict[str, Any]) -> Check:
    targets = list(declared.get("targetProfile", ()))
    allowed = _target_types(compiler, targets)
    profiles = [url for url in targets if not _is_base(url)]
    release = compiler.definitions.release

    def check(value: Any, _sibling: Any, context: Context) -> Found:
        if type(value) is not dict:
            return None
        reference = value.get("reference")
        if (
            type(reference) is str
            and context.plain
            and "type" not in value
            and (match := PLAIN_REFERENCE.fullmatch(reference))
        ):
            if allowed is None or match[1] in allowed:
                return None
            return [_doubtful(match[1], allowed)]
        found = check_reference(
            value, "", context.root, context.scope, context.bundle, context.full_url, release
        )
        if type(reference) is str and targets:
            more = _target(compiler, reference, allowed, profiles, context)
            found = [*(found or ()), *more]
        return found

    return check


def _target(
    compiler: Compiler,
    reference: str,
    allowed: frozenset[str] | None,
    profiles: list[str],
    context: Context,
) -> list[Issue]:
    target = context.scope.resolve(reference, context.root, context.bundle, context.full_url)
    if target is None:
        match = TYPE_IN_URL.fullmatch(reference)
        known = match and match[1] in compiler.definitions.resource_types
        if match and known and allowed is not None and match[1] not in allowed:
            return [_doubtful(match[1], allowed)]
        return []
    kind = target.get("resourceType")
    if allowed is not None and kind not in allowed and isinstance(kind, str):
        text = f"invalid resource target type: found {kind}, expected one of {sorted(allowed)}"
        return [Issue("error", "structure", "", text, "Reference_REF_BadTargetType")]
    if profiles and not _conforms(compiler, target, profiles, allowed, context):
        text = f"the target conforms to none of the profiles {', '.join(profiles)}"
        return [Issue("error", "structure", "", text, "Reference_REF_CantMatchChoice")]
    return []


def _conforms(
    compiler: Compiler,
    target: dict[str, Any],
    profiles: list[str],
    allowed: frozenset[str] | None,
    context: Context,
) -> bool:
    kind = target.get("resourceType")
    for url in profiles:
        structure = compiler.definitions.structure(url)
        if structure is None or structure.get("type") != kind:
            continue
        check = compiler.structure(url)
        inner = context.inside(target)
        found = check(target, None, inner) if check else None
        if not any(i.severity in ("error", "fatal") for i in found or ()):
            return True
    wanted = {
        s["type"] for url in profiles if (s := compiler.definitions.structure(url)) is not None
    }
    return allowed is not None and kind not in wanted


def _doubtful(kind: str, allowed: frozenset[str]) -> Issue:
    """A type told by the URL alone: the target itself was not given, so it is a warning."""
    text = f"the reference's type {kind} is not one of {', '.join(sorted(allowed))}"
    return Issue("warning", "structure", "", text, "Reference_REF_BadTargetType2")


def _is_base(url: str) -> bool:
    return url.startswith(CORE) and url[len(CORE) :].isalpha() and url[len(CORE)].isupper()


def _target_types(compiler: Compiler, targets: list[str]) -> frozenset[str] | None:
    """The resource types that target profiles allow; None for any."""
    types = set()
    for url in targets:
        structure = compiler.definitions.structure(url)
        if structure is None or structure["type"] in ("Resource", "DomainResource"):
            return None
        types.add(structure["type"])
        if structure.get("abstract"):
            return None
    return frozenset(types) if types else None
