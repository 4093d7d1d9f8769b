"""StructureDefinition: elements, types, bindings, slices and invariants fit what they refine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter.validation.code_systems import is_absolute
from adapter.validation.definitions import CORE
from adapter.validation.fhirpath import NotEvaluated, compile_expression
from adapter.validation.fhirpath.parser import parse
from adapter.validation.issues import Issue
from adapter.validation.resources.characteristics import has
from adapter.validation.resources.common import (
    Json,
    Sources,
    child,
    children,
    error,
    extensions,
    text,
    texts,
)
from adapter.validation.resources.elements import type_definition, type_names

EXTENSION = CORE + "Extension"
# a context with it is meant for releases whose elements are not known here
OTHER_RELEASES = CORE + "version-specific-use"
JSON_NAMES = (
    "http://hl7.org/fhir/tools/StructureDefinition/json-name",
    "http://hl7.org/fhir/tools/StructureDefinition/elementdefinition-json-name",
)
# whose invariants every definition inherits
COMMON = ("DomainResource", "Element", "Extension")
BINDABLE = frozenset("code Coding CodeableConcept Quantity CodeableReference string uri".split())
# what a child of an element definition asks of its type
DEMANDS = {
    "binding": "can-bind",
    "maxLength": "has-length",
    "minValue": "has-range",
    "maxValue": "has-range",
}
# https://hl7.org/fhir/elementdefinition.html#interpretation: never on the first element
NOT_IN_A_TYPE = ["sliceName", "fixed", "pattern", "minValue", "maxValue"]
NOT_ON_ROOT = [
    *NOT_IN_A_TYPE,
    "slicing",
    "requirements",
    "nameReference",
    "defaultValue",
    "example",
]
NOT_ON_A_CONSTRAINT = ["meaningWhenMissing", "maxLength"]
# canonical resources in everything but their definition
ABSTRACT = {"CanonicalResource": "CodeSystem", "MetadataResource": "PlanDefinition"}


def check(structure: Json, sources: Sources) -> list[Issue]:
    """Errors of a structure definition."""
    return StructureCheck(structure, sources).run()


class StructureCheck:
    """The check of one definition against the one it is based on."""

    def __init__(self, structure: Json, sources: Sources):
        self.structure = structure
        self.definitions = sources.definitions
        self.release = sources.release
        self.type = text(structure, "type") or ""
        self.url = text(structure, "url")
        self.constraint = structure.get("derivation") == "constraint"
        base = text(structure, "baseDefinition")
        self.base = self.definitions.structure(base) if base else None
        self.issues: list[Issue] = []

    def run(self) -> list[Issue]:
        """The errors of the whole, of its contexts and of its elements."""
        self._contexts()
        self._whole_type()
        if self.base is not None and self._derives(self.base):
            for name in ("differential", "snapshot"):
                if view := child(self.structure, name):
                    self._elements(view, name)
            self._context_invariants()
            self._extension_url()
        return self.issues

    def _fault(self, path: str, message: str, name: str, code: str = "invalid") -> None:
        self.issues.append(error(path, message, name, code))

    # -- the whole ---------------------------------------------------------------------------------

    def _derives(self, base: Json) -> bool:
        kind, given = text(self.structure, "kind"), text(self.structure, "derivation")
        if given is None:
            message = "a definition with a base says how it derives"
            self._fault("", message, "SD_MUST_HAVE_DERIVATION", "not-found")
            return True
        if not base.get("abstract") and kind != base.get("kind"):
            message = f"the kind {kind} is not the base's, {base.get('kind')}"
            self._fault("", message, "SD_CONSTRAINED_KIND_NO_MATCH", "not-found")
        if self.constraint and self.type != base.get("type"):
            message = f"the type {self.type} is not the base's, {base.get('type')}"
            self._fault("", message, "SD_CONSTRAINED_TYPE_NO_MATCH", "not-found")
        if self.constraint and kind != base.get("kind"):
            message = f"the kind {kind} is not the base's, {base.get('kind')}"
            self._fault("", message, "SD_DERIVATION_KIND_MISMATCH", "not-found")
        if given == "specialization" and self.type == base.get("type"):
            message = f"a specialization has another type than its base, {self.type}"
            self._fault("", message, "SD_SPECIALIZED_TYPE_MATCHES", "not-found")
        return True

    def _whole_type(self) -> None:
        """A type is FHIR's, constrained, or the definition's own, and then logical."""
        if is_absolute(self.type):
            if self.structure.get("kind") != "logical":
                message = f"only logical models have a URL as type, not {self.type}"
                self._fault(".type", message, "SD_TYPE_NOT_LOGICAL")
            return
        known = self.definitions.structure(self.type) if self.type else None
        if known is None or known.get("type") != self.type:
            if self.type:
                message = f"the type {self.type} is not FHIR's"
                self._fault(".type", message, "SD_TYPE_NOT_LOCAL")
        elif self.url != CORE + self.type and not self.constraint:
            message = f"the type {self.type} can only be constrained"
            self._fault(".type", message, "SD_TYPE_NOT_DERIVED")

    def _extension_url(self) -> None:
        if self.type != "Extension" or self.structure.get("baseDefinition") != EXTENSION:
            return
        fixed = self._fixed_url()
        if fixed is None:
            message = f"the extension {self.url} does not fix its url"
            self._fault("", message, "SD_EXTENSION_URL_MISSING")
        elif fixed != self.url:
            message = f"the extension {self.url} fixes another url, {fixed}"
            self._fault("", message, "SD_EXTENSION_URL_MISMATCH")

    def _fixed_url(self) -> str | None:
        view = child(self.structure, "snapshot") or child(self.structure, "differential") or {}
        for _, element in children(view, "element"):
            if element.get("path") == "Extension.url":
                return text(element, "fixedUri") or text(element, "fixedUrl")
        return None

    # -- where an extension may stand --------------------------------------------------------------

    def _contexts(self) -> None:
        for path, context in children(self.structure, "context"):
            if self.type == "Extension":
                expression = text(context, "expression")
                elsewhere = extensions(context, OTHER_RELEASES)
                if context.get("type") == "element" and expression and not elsewhere:
                    self._element_context(expression, path)
            elif not self._has_json_name():
                message = f"only extensions have contexts, not {self.type}"
                self._fault(path, message, "SD_NO_CONTEXT_WHEN_NOT_EXTENSION")
        if self.type != "Extension":
            for path, _ in texts(self.structure, "contextInvariant"):
                message = f"only extensions have invariants of their context, not {self.type}"
                self._fault(path, message, "SD_NO_CONTEXT_INV_WHEN_NOT_EXTENSION")

    def _has_json_name(self) -> bool:
        view = child(self.structure, "snapshot") or child(self.structure, "differential") or {}
        _, first = next(children(view, "element"), ("", {}))
        return any(e.get("url") in JSON_NAMES for _, e in children(first, "extension"))

    def _element_context(self, expression: str, path: str) -> None:
        url, _, steps = expression.rpartition("#")
        name, *_ = steps.split(".")
        if not url and name in ABSTRACT and self.definitions.structure(CORE + name) is None:
            steps = ABSTRACT[name] + steps.removeprefix(name)
            name = ABSTRACT[name]
        definition = self.definitions.structure(url or CORE + name)
        if (url or name) == "Base":  # above all types, also where no release defines it
            return
        if definition is None or not self._has_element(definition, steps):
            message = f"there is no element {expression}"
            self._fault(path, message, "SD_CONTEXT_SHOULD_ELEMENT_NOT_FOUND")

    def _has_element(self, definition: Json, steps: str) -> bool:
        if "." not in steps:
            return True
        try:
            kind = definition["type"].rsplit("/", 1)[-1]
            tail = steps.partition(".")[2].replace("[x]", "")
            compile_expression(f"{kind}.{tail}", self.definitions, kind, strict=True)
        except NotEvaluated:
            return False
        return True

    def _context_invariants(self) -> None:
        stated = [c.get("type") for _, c in children(self.structure, "context")]
        if "element" not in stated and "extension" not in stated:
            return
        for path, expression in texts(self.structure, "contextInvariant"):
            if fault := _syntax_fault(expression):
                self._fault(path, fault, "ED_CONTEXT_INVARIANT_EXPRESSION_ERROR")

    # -- elements ----------------------------------------------------------------------------------

    def _elements(self, view: Json, name: str) -> None:
        invariants: dict[str, Any] = {}
        for path, element in children(view, "element", f".{name}"):
            if isinstance(element.get("path"), str):
                self._element(element, path, name == "snapshot", invariants)

    def _element(self, element: Json, at: str, snapshot: bool, invariants: dict[str, Any]) -> None:
        path = element["path"]
        root = self.type.rsplit("/", 1)[-1]
        if path != root and not path.startswith(root + "."):
            message = f"the path {path} does not start with the type {root}"
            self._fault(at, message, "SD_PATH_TYPE_MISMATCH", "not-found")
        if not snapshot and "." not in path and "slicing" in element:
            self._fault(at, f"{path} cannot be sliced", "SD_NO_SLICING_ON_ROOT")
        on_extension = path == "Extension" or path.endswith(".extension")
        silent = "meaningWhenMissing" in element and not on_extension
        if silent and not snapshot and self.constraint:
            message = "a constraint cannot say what missing means"
            self._fault(at, message, "SD_ELEMENT_NOT_IN_CONSTRAINT", "not-found")
        self._slicing(element, at)
        self._types(element, at)
        self._demands(element, at)
        if snapshot:
            self._bindable(element, at)
            self._values(element, at)
            self._prohibited(element, at)
        for where, invariant in children(element, "constraint", at):
            self._invariant(invariant, element, where, snapshot, invariants)

    def _codes(self, element: Json) -> list[str]:
        given = [code for code in type_names(_typed(element)) if code not in ("", "None")]
        return given if "." in element["path"] else [element["path"], *given]

    def _demands(self, element: Json, at: str) -> None:
        """What an element limits or binds is something its types have."""
        codes, path = self._codes(element), element["path"]
        root = "." not in path
        if not root and not any(type_definition(self.definitions, c) for c in codes):
            return
        # a type that says less of itself in R5 is taken for what it was before
        release = "R4" if root else self.release
        for name, wanted in DEMANDS.items():
            present = name in element or any(k.startswith(name) for k in element)
            if present and not any(has(code, wanted, release) for code in codes):
                message = f"{path} has {name}, which {', '.join(codes)} cannot have"
                self._fault(at, message, "SD_ILLEGAL_CHARACTERISTICS", "business-rule")

    def _bindable(self, element: Json, at: str) -> None:
        if "binding" not in element:
            return
        codes = self._codes(element)
        if self.release == "R5" and any(has(code, "can-bind", "R5") for code in codes):
            return
        definitions = (type_definition(self.definitions, code) for code in codes)
        kinds = {one["type"] for found in definitions for one in self._lineage(found)}
        if not kinds & BINDABLE:
            message = f"{element['path']} is bound, and has no type for it"
            self._fault(f"{at}.binding", message, "SD_ED_BIND_NO_BINDABLE", "business-rule")

    def _slicing(self, element: Json, at: str) -> None:
        slicing = child(element, "slicing")
        path = element["path"]
        if slicing is None:
            return
        definition = type_definition(self.definitions, path.partition(".")[0])
        listed = definition.get("snapshot", {}).get("element", []) if definition else []
        defined = next((e for e in listed if e["path"] == path), None)
        if defined is None:
            return
        if defined.get("max") == "1" and "[x]" not in path:
            message = f"{path} does not repeat, so that it cannot be sliced"
            self._fault(f"{at}.slicing", message, "SD_PATH_NO_SLICING", "not-found")
        for where, discriminator in children(slicing, "discriminator", f"{at}.slicing"):
            expression = text(discriminator, "path")
            if expression is not None:
                self._discriminator(expression, element, where)

    def _discriminator(self, expression: str, element: Json, at: str) -> None:
        if _syntax_fault(expression):
            message = f"the path {expression} is not FHIRPath"
            self._fault(at, message, "SD_PATH_ERROR")
            return
        codes = type_names(_typed(element)) if "." in element["path"] else [element["path"]]
        if codes and not any(self._leads(expression, code) for code in codes):
            message = f"the path {expression} leads nowhere from {element['path']}"
            self._fault(at, message, "SD_PATH_NOT_VALID")

    def _leads(self, expression: str, code: str) -> bool:
        definition = type_definition(self.definitions, code)
        if definition is None or definition.get("abstract"):
            return True
        try:
            compile_expression(expression, self.definitions, code, strict=True)
        except NotEvaluated:
            return False
        return True

    # -- types -------------------------------------------------------------------------------------

    def _types(self, element: Json, at: str) -> None:
        for where, given in children(element, "type", at):
            code = next(iter(type_names({"type": [given]})), "")
            if "code" not in given:
                continue
            targets = list(texts(given, "targetProfile", where))
            known = type_definition(self.definitions, code)
            if targets and known is not None and not has(code, "has-target", self.release):
                message = f"{code} has no targets"
                self._fault(at, message, "SD_ILLEGAL_CHARACTERISTICS", "business-rule")
            for here, url in texts(given, "profile", where):
                self._type_profile(url, str(given["code"]), element["path"], here)
            for here, url in targets:
                self._target_profile(url, str(given["code"]), here)

    def _type_profile(self, url: str, code: str, path: str, at: str) -> None:
        profile = self.definitions.structure(url)
        kind = self._unconstrained(profile)
        if profile is None or kind is None:
            return
        if not self._is_a(kind, code):
            message = f"{url} is a profile of {kind.get('type')}, not of {code}"
            self._fault(at, message, "SD_ED_TYPE_PROFILE_WRONG")
        elif kind.get("type") == "Extension":
            first = (profile.get("snapshot", {}).get("element") or [{}])[0]
            modifies, here = first.get("isModifier") is True, path.endswith(".modifierExtension")
            if modifies and not here:
                message = f"{url} is a modifier extension"
                self._fault(at, message, "SD_ED_TYPE_PROFILE_NOT_MODIFIER")
            elif here and not modifies:
                message = f"{url} is not a modifier extension"
                self._fault(at, message, "SD_ED_TYPE_PROFILE_IS_MODIFIER")

    def _target_profile(self, url: str, code: str, at: str) -> None:
        if code not in ("Reference", "CodeableReference", "canonical"):
            message = f"{code} has no target profiles"
            self._fault(at, message, "SD_ED_TYPE_NO_TARGET_PROFILE")
            return
        profile = self.definitions.structure(url)
        kind = self._unconstrained(profile)
        if profile is None or kind is None or code == "canonical":
            return
        logical = self.structure.get("kind") == "logical"
        if profile.get("kind") != "resource" and not logical:
            message = f"{url} is not a profile of a resource"
            self._fault(at, message, "SD_ED_TYPE_PROFILE_WRONG_TARGET")

    def _unconstrained(self, profile: Json | None) -> Json | None:
        return next(
            (one for one in self._lineage(profile) if one.get("derivation") != "constraint"), None
        )

    def _lineage(self, structure: Json | None) -> Iterator[Json]:
        seen = set()
        while structure is not None and structure.get("url") not in seen:
            seen.add(structure.get("url"))
            yield structure
            base = structure.get("baseDefinition")
            structure = self.definitions.structure(base) if isinstance(base, str) else None

    def _is_a(self, kind: Json, code: str) -> bool:
        for number, one in enumerate(self._lineage(kind)):
            if number and not one.get("abstract") and one.get("kind") != "logical":
                return False
            if code in (one.get("type"), one.get("url")):
                return True
        return False

    # -- values ------------------------------------------------------------------------------------

    def _values(self, element: Json, at: str) -> None:
        if "." not in str(element.get("id", "")):
            return
        codes = self._codes(element)
        if not codes:
            if "contentReference" not in element:
                message = f"{element['path']} has neither types nor a content reference"
                self._fault(at, message, "SD_NO_TYPES_OR_CONTENTREF")
            return
        for name in ("defaultValue", "fixed", "pattern"):
            given = _choice(element, name)
            if given is not None and given not in self.definitions.kinds:
                given = given[:1].lower() + given[1:]
            if given is not None and given not in codes:
                message = f"the type {given} is none of {', '.join(codes)}"
                self._fault(f"{at}.{name}.ofType({given})", message, "SD_VALUE_TYPE_IILEGAL")

    def _prohibited(self, element: Json, at: str) -> None:
        top = "." not in element["path"]
        if self.constraint:
            names = [*NOT_ON_ROOT, *NOT_ON_A_CONSTRAINT] if top else []
        else:
            names = NOT_ON_ROOT if top else NOT_IN_A_TYPE
            for name in () if top else ("min", "max"):
                if name not in element:
                    message = f"{element['path']} has no {name}"
                    self._fault(at, message, "SD_TABLE_REQUIRED")
        # HL7's validator finds fixed[x] by the name fixed only among more than twenty children
        crowded = _size(element) > 20
        for name in names:
            if name in element or (crowded and _choice(element, name)):
                message = f"{element['path']} cannot have {name} here"
                self._fault(at, message, "SD_TABLE_PROHIBITED")

    # -- invariants --------------------------------------------------------------------------------

    def _invariant(
        self, invariant: Json, element: Json, at: str, snapshot: bool, seen: dict[str, Any]
    ) -> None:
        key, expression = text(invariant, "key"), text(invariant, "expression")
        if key is None or expression is None:
            return
        source = text(invariant, "source")
        if snapshot:
            if seen.setdefault(key, expression) != expression and key != "ele-1":
                message = f"the invariant {key} is there with another expression"
                self._fault(at, message, "ED_INVARIANT_EXPRESSION_CONFLICT")
            if source in (None, self.url):
                self._expression(expression, element, at)
            return
        version = text(self.structure, "version")
        if source not in (None, self.url, f"{self.url}|{version}"):
            message = f"the invariant {key} has another source, {source}"
            self._fault(at, message, "ED_INVARIANT_DIFF_NO_SOURCE")
        elif self._known_invariant(key) not in (None, expression) or (
            seen.setdefault(key, expression) != expression
        ):
            message = f"the invariant {key} has another expression elsewhere"
            self._fault(at, message, "ED_INVARIANT_KEY_ALREADY_USED")

    def _expression(self, expression: str, element: Json, at: str) -> None:
        """An invariant's expression is FHIRPath that one of the element's types can answer."""
        fault = _syntax_fault(expression)
        codes = self._codes(element)
        if fault is None and not any(self._leads(expression, code) for code in codes) and codes:
            fault = f"the expression names what {element['path']} has not"
        if fault is not None:
            self._fault(at, fault, "ED_INVARIANT_EXPRESSION_ERROR")

    def _known_invariant(self, key: str) -> str | None:
        common = (self.definitions.structure(name) for name in (self.type, *COMMON) if name)
        for structure in (self.base, *common):
            for element in (structure or {}).get("snapshot", {}).get("element", []):
                for invariant in element.get("constraint", []):
                    if invariant.get("key") == key:
                        return str(invariant.get("expression"))
        return None


def _typed(element: Json) -> Json:
    return {"type": [given for _, given in children(element, "type")]}


def _choice(element: Json, name: str) -> str | None:
    """The type of ``fixed[x]`` and the like, as its name has it."""
    for key in element:
        key = key.removeprefix("_")
        if key.startswith(name) and key != name and key[len(name)].isupper():
            return key.removeprefix(name)
    return None


def _size(element: Json) -> int:
    """How many children an element has, each item of a list counted."""
    return sum(
        len(value) if isinstance(value, list) else 1
        for name, value in element.items()
        if name.removeprefix("_") == name or name[1:] not in element
    )


def _syntax_fault(expression: str) -> str | None:
    try:
        parse(expression)
    except NotEvaluated as fault:
        return f"the expression is wrong: {fault}"
    return None
