"""What single datatypes demand beyond their structure.

Bindings of codes, units of quantities, targets of references, narrative, attachments.
https://hl7.org/fhir/R4/datatypes.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from adapter.validation.attachments import check_attachment
from adapter.validation.context import Check, Context, Found
from adapter.validation.definitions import CORE
from adapter.validation.elements import EXTENSION, Element
from adapter.validation.extensions import CROSS_VERSION
from adapter.validation.issues import Issue
from adapter.validation.narrative import check_narrative
from adapter.validation.references import check_reference
from adapter.validation.terminology import Terminology
from adapter.validation.uris import check_identifier

if TYPE_CHECKING:
    from adapter.validation.compiler import Compiler, StructureCompiler

MAX_VALUE_SET = EXTENSION + "elementdefinition-maxValueSet"
# value sets that HL7's definitions name by the document behind them
MEANT = {"http://www.rfc-editor.org/bcp/bcp13.txt": "http://hl7.org/fhir/ValueSet/mimetypes"}
CONCEPTS = frozenset({"Coding", "CodeableConcept"})
REMEMBERED = 10_000  # codes of one element
# an id must be unique in its resource, and what an extension may hold depends on where it stands
STANDS_SOMEWHERE = re.compile(rb'"(?:id|_?extension|_[a-z]+)":')
MEASURES = frozenset({"Age", "Count", "Distance", "Duration"})  # their units are not bound
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
        return [_coded(compiler.terminology.check_concept, Binding(element, owner.derived))]
    if code == "CodeableReference":
        return [_codeable_reference(compiler, Binding(element, owner.derived))]
    if code == "Coding":
        base = element.definition.get("base", {}).get("path")
        if base == "CodeableConcept.coding":
            return []
        return [_coded(compiler.terminology.check_coding, Binding(element, owner.derived))]
    if code in MEASURES:
        return [_unit(compiler)]
    if code == "Quantity":
        return [_coded(compiler.terminology.check_quantity, Binding(element, owner.derived))]
    if code == "Identifier":
        return [_identifier]
    if code == "Attachment":
        return [_attachment]
    return []


def binding_of(element: Element) -> tuple[str | None, str | None]:
    """(value set, strength) of an element."""
    stated = element.definition.get("binding", {})
    return stated.get("valueSet"), stated.get("strength")


class Binding:
    """The value set of an element, how strongly it binds, and the one that nothing may leave."""

    def __init__(self, element: Element, derived: bool):
        stated = element.definition.get("binding", {})
        self.value_set, self.strength = binding_of(element)
        self.derived = derived
        self.maximum: str | None = None
        for extension in stated.get("extension", ()):
            if extension["url"] == MAX_VALUE_SET:
                url = extension.get("valueCanonical") or extension.get("valueUri")
                self.maximum = MEANT.get(url, url)


def code_binding(compiler: Compiler, element: Element, code: str, derived: bool) -> Check | None:
    """The check of a primitive's code against its value set."""
    binding = Binding(element, derived)
    value_set, strength, maximum = binding.value_set, binding.strength, binding.maximum
    if value_set is None or strength is None or code not in CODES:
        return None
    if strength not in ("required", "extensible") and not maximum:
        return None
    terminology = compiler.terminology
    members = terminology.members(value_set) if strength == "required" else None
    known = members or frozenset()

    def check(value: Any, sibling: Any, context: Context) -> Found:
        if type(value) is str and value in known:
            return None
        if value is None or value == "" or (type(value) is str and value.isspace()):
            if strength != "required" or _elsewhere(sibling):
                return None
            text = "no code provided, and a code is required from the value set"
            name = "Terminology_TX_Code_ValueSet_MISSING"
            return [Issue("error", "code-invalid", "", text, name)]
        if not isinstance(value, str):
            return None
        return terminology.check_code(
            value,
            value_set,
            strength,
            "",
            language=context.language,
            maximum=maximum,
            derived=derived,
        )

    return check


def _elsewhere(sibling: Any) -> bool:
    """Whether a cross-version extension gives the code that the release has no word for."""
    extensions = sibling.get("extension", ()) if isinstance(sibling, dict) else ()
    return any(
        isinstance(e, dict) and CROSS_VERSION.match(str(e.get("url"))) and "valueCode" in e
        for e in extensions
    )


def _coded(check_with: Callable[..., Any], binding: Binding) -> Check:
    """The check of the code in a Coding, CodeableConcept or Quantity."""
    value_set, strength = binding.value_set, binding.strength
    maximum, derived = binding.maximum, binding.derived

    def check(value: Any, _sibling: Any, context: Context) -> Found:
        if type(value) is not dict:
            return None
        found: Found = check_with(
            value,
            value_set,
            strength,
            "",
            language=context.language,
            maximum=maximum,
            derived=derived,
        )
        return found

    return check


def is_settled(compiler: Compiler, element: Element, code: str) -> bool:
    """Whether a code's verdict depends on nothing but itself, so that it may be remembered.

    A terminology server's verdicts come later, and an invariant may look at the whole resource.
    """
    return (
        code in CONCEPTS
        and type(compiler.terminology) is Terminology
        and not any(
            "%" in c.get("expression", "") or "resolve()" in c.get("expression", "")
            for one in element.walk()
            if one is not element
            for c in one.definition.get("constraint", ())
        )
    )


def remembered(check: Check) -> Check:
    """A check whose verdicts are kept: the same codes come back thousands of times."""
    known: dict[Any, tuple[Issue, ...]] = {}

    def look_up(value: Any, sibling: Any, context: Context) -> Found:
        try:
            content = orjson.dumps(value)
        except TypeError:  # it holds what JSON cannot
            return check(value, sibling, context)
        held = known.get((context.language, content))
        if held is not None:
            return [one.below("") for one in held] if held else None
        found = check(value, sibling, context)
        if not STANDS_SOMEWHERE.search(content):
            if len(known) >= REMEMBERED:
                known.clear()
            known[context.language, content] = tuple(one.below("") for one in found or ())
        return found

    return look_up


def _unit(compiler: Compiler) -> Check:
    def check(value: Any, _sibling: Any, _context: Context) -> Found:
        found: Found = compiler.terminology.check_unit(value, "") if type(value) is dict else None
        return found

    return check


def _codeable_reference(compiler: Compiler, binding: Binding) -> Check:
    concept = _coded(compiler.terminology.check_concept, binding)

    def check(value: Any, _sibling: Any, context: Context) -> Found:
        held = value.get("concept") if type(value) is dict else None
        found = concept(held, None, context) if type(held) is dict else None
        return [one.below(".concept") for one in found] if found else None

    return check


def _identifier(value: Any, _sibling: Any, _context: Context) -> Found:
    return check_identifier(value, "") if type(value) is dict else None


def _attachment(value: Any, _sibling: Any, _context: Context) -> Found:
    return check_attachment(value, "") if type(value) is dict else None


def narrative(release: str) -> Check:
    """The check of ``Narrative.div``."""

    def check(value: Any, _sibling: Any, context: Context) -> Found:
        if type(value) is str:
            targets = partial(context.scope.targets, context.root)
            return check_narrative(value, "", release, targets)
        text = "the primitive value must be a string"
        name = "Error_parsing_JSON_the_primitive_value_must_be_a_string"
        return [Issue("error", "invalid", "", text, name)]

    return check


def _reference(compiler: Compiler, declared: dict[str, Any]) -> Check:
    targets = list(declared.get("targetProfile", ()))
    allowed = _target_types(compiler, targets)
    profiles = [url for url in targets if not _is_base(url)]
    base = [url for url in targets if _is_base(url)]
    plain = _target_types(compiler, base) if base else frozenset()
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
            value,
            "",
            context.root,
            context.scope,
            context.bundle,
            context.full_url,
            release,
            context.container == "contained",
        )
        stated = value.get("type")
        if (
            allowed is not None
            and reference
            and type(stated) is str
            and stated.removeprefix(CORE) not in allowed
        ):
            text = f"the type '{stated}' is not one of {', '.join(sorted(allowed))}"
            found = [*found, Issue("error", "structure", "", text, "Reference_REF_WrongTarget")]
        if type(reference) is str and targets:
            more = _target(compiler, reference, allowed, profiles, plain, context)
            found = [*(found or ()), *more]
        return found

    return check


def _target(
    compiler: Compiler,
    reference: str,
    allowed: frozenset[str] | None,
    profiles: list[str],
    plain: frozenset[str] | None,
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
    if profiles and not _conforms(compiler, target, profiles, plain, context):
        text = f"the target conforms to none of the profiles {', '.join(profiles)}"
        return [Issue("error", "structure", "", text, "Reference_REF_CantMatchChoice")]
    return []


def _conforms(
    compiler: Compiler,
    target: dict[str, Any],
    profiles: list[str],
    plain: frozenset[str] | None,
    context: Context,
) -> bool:
    """Whether a target is of a type that may be plain, or meets one of the profiles of its type."""
    kind = target.get("resourceType")
    if plain is None or kind in plain:
        return True
    for url in profiles:
        structure = compiler.definitions.structure(url)
        if structure is None or structure.get("type") != kind:
            continue
        check = compiler.structure(url)
        inner = context.inside(target)
        found = check(target, None, inner) if check else None
        if not any(i.severity in ("error", "fatal") for i in found or ()):
            return True
    return False


def _doubtful(kind: str, allowed: frozenset[str]) -> Issue:
    """A type told by the URL alone: the target itself was not given, so it is a warning."""
    text = f"the reference's type {kind} is not one of {', '.join(sorted(allowed))}"
    return Issue("warning", "structure", "", text, "Reference_REF_BadTargetType2")


def _is_base(url: str) -> bool:
    name = url.partition("|")[0].removeprefix(CORE)
    return name.isalpha() and name[:1].isupper()


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
