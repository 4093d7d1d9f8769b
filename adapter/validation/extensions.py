"""Extensions: whether the URL is known, may stand where it stands, and holds what it must.

https://hl7.org/fhir/R4/defining-extensions.html#context
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapter.validation.context import Check, Context, Found
from adapter.validation.definitions import CORE, cross_version
from adapter.validation.elements import Element, type_code
from adapter.validation.issues import Issue

if TYPE_CHECKING:
    from adapter.validation.compiler import Compiler, StructureCompiler

Resource = dict[str, Any]
ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
CROSS_VERSION = re.compile(
    r"http://hl7\.org/fhir/([1-5]\.[0-9])/StructureDefinition/extension-(.+)"
)
# where HL7's validator lets them stand beside what their definitions say, for R4's sake
ALSO_AT = {
    CORE + "regex": "ElementDefinition.type",
    CORE + "structuredefinition-fhir-type": "ElementDefinition.type",
    CORE + "structuredefinition-normative-version": "Element",
    CORE + "capabilitystatement-expectation": "Element",
    CORE + "capabilitystatement-prohibited": "Element",
}
EVERYWHERE = frozenset({"Element", "Any"})
TOOLS = "http://hl7.org/fhir/tools/StructureDefinition/"
VERSION_USE = "version-specific-use"


class Extensions:
    """Checks of extensions by their URL."""

    def __init__(self, compiler: Compiler):
        self.compiler = compiler
        self._known: dict[str, Definition | None] = {}
        self._ancestors: dict[str, list[str]] = {}

    def check(
        self, owner: StructureCompiler, element: Element, here: str, code: str, path: str
    ) -> Check:
        """The check of one extension that stands in ``here``, an element of type ``code``."""
        modifier = element.name == "modifierExtension"
        own = owner.structure if owner.is_extension else None
        names = _sub_extensions(own) if own else frozenset()
        relative = owner.structure["type"] == "Extension"
        places = {here, code, path, *self.above(here), *self.above(code)} - {""}
        static = frozenset(places)
        primitive = self.compiler.is_primitive(code)

        def check(value: Any, _sibling: Any, context: Context) -> Found:
            if type(value) is not dict:
                text = "this property must be an object"
                name = "This_property_must_be_an_object_not_"
                return [Issue("error", "structure", "", text, name)]
            url = value.get("url")
            if type(url) is not str or not url:
                return self._without_url(value, context)
            if own is not None and not ABSOLUTE.match(url):
                if url in names:
                    return None  # the slice of that name checks it
                return self._unknown_part(value, url, own, context)
            if relative and not ABSOLUTE.match(url):
                return self._content(value, context)
            if not ABSOLUTE.match(url):
                text = "Extension.url must be an absolute URL"
                return [
                    Issue("error", "invalid", "", text, "Extension_EXT_URL_Absolute"),
                    *(self._content(value, context) or ()),
                ]
            known = self._definition(url)
            if known is None:
                return self._unknown(value, url, modifier, context)
            at = context.at
            return known.check(value, modifier, static, at, primitive, context)

        return check

    def above(self, path: str) -> list[str]:
        """A path, its type replaced by each of the type's ancestors."""
        name, dot, rest = path.partition(".")
        if name not in self._ancestors:
            self._ancestors[name] = []
            found = self.compiler.definitions.structure(name) if name else None
            while found is not None and (base := found.get("baseDefinition")):
                found = self.compiler.definitions.structure(base)
                if found is not None:
                    self._ancestors[name].append(found["type"])
            if self.is_canonical(name):
                self._ancestors[name] += ["CanonicalResource", "MetadataResource"]
        return [one + dot + rest for one in self._ancestors[name]]

    def is_canonical(self, name: str) -> bool:
        """Whether a resource has what makes a canonical one: R4 names no such type."""
        if name not in self.compiler.definitions.resource_types:
            return False
        structure = self.compiler.definitions.structure(name) or {}
        paths = {e["path"] for e in structure["snapshot"]["element"]}
        return {f"{name}.{p}" for p in ("url", "status", "date")} <= paths

    def _definition(self, url: str) -> Definition | None:
        if url not in self._known:
            structure = self.compiler.definitions.structure(url)
            if structure is None or structure.get("type") != "Extension":
                structure = None
            self._known[url] = None if structure is None else Definition(self.compiler, structure)
        return self._known[url]

    def _content(self, value: Resource, context: Context) -> Found:
        return self.compiler.needed("Extension")(value, None, context)

    def _without_url(self, value: Resource, context: Context) -> Found:
        text = "Extension.url is required in order to identify, use and validate the extension"
        wrong = Issue("error", "invalid", "", text, "Extension_EXT_Url_NotFound")
        return [wrong, *(self._content(value, context) or ())]

    def _unknown_part(self, value: Resource, url: str, own: Resource, context: Context) -> Found:
        text = f"the sub-extension '{url}' is not defined by the extension {own['url']}"
        wrong = Issue("error", "invalid", "", text, "Extension_EXT_SubExtension_Invalid")
        return [wrong, *(self._content(value, context) or ())]

    def _unknown(self, value: Resource, url: str, modifier: bool, context: Context) -> Found:
        found = self._content(value, context) or []
        if match := CROSS_VERSION.match(url):
            wrong = [_misplaced(url, modifier)] if modifier else []
            return [*wrong, *_cross_version_problem(match), *found]
        if url.startswith(TOOLS) or "nema.org" in url or "example.org" in url or "acme.com" in url:
            return found
        text = f"the extension {url} could not be found so is not allowed here"
        return [Issue("error", "structure", "", text, "Extension_EXT_Unknown_NotHere"), *found]


def _sub_extensions(structure: Resource) -> frozenset[str | None]:
    """The URLs of the extensions inside an extension."""
    return frozenset(
        e.get("fixedUri")
        for e in structure["snapshot"]["element"]
        if e["path"] == "Extension.extension.url"
    )


def _cross_version_problem(match: re.Match[str]) -> list[Issue]:
    version, path = match[1], match[2]
    known = cross_version(version)
    if not known:
        text = f"the extension's version '{version}' is not valid"
        return [Issue("error", "invalid", "", text, "Extension_EXT_Version_Invalid")]
    if path not in known:
        text = f"the extension's element '{path}' is not valid"
        return [Issue("error", "invalid", "", text, "Extension_EXT_Version_InvalidId")]
    return []


class Definition:
    """One extension's StructureDefinition, ready to check."""

    def __init__(self, compiler: Compiler, structure: Resource):
        self.url: str = structure["url"]
        self.compiler = compiler
        root = compiler.tree(structure)
        self.content = compiler.needed(self.url)
        self.modifier = bool(root.definition.get("isModifier"))
        value = root.child("value")
        self.types = _types(value)
        self.value_required = value is not None and value.minimum > 0
        version = compiler.definitions.version
        self.for_version = _for_version(structure, version)
        self.contexts = _contexts(structure, version)
        self.queries = compiler.invariants.queries(
            c.get("expression", "")
            for c in structure.get("context", ())
            if c.get("type") == "fhirpath" and _for_version(c, version)
        )
        self.invariants = compiler.invariants.expressions(structure.get("contextInvariant", ()))

    def check(
        self,
        value: Resource,
        modifier: bool,
        places: frozenset[str],
        at: str,
        primitive: bool,
        context: Context,
    ) -> Found:
        """The issues of an extension of this definition at one of ``places``."""
        issues = []
        if modifier != self.modifier:
            issues.append(_misplaced(self.url, modifier))
        if not self.for_version:
            text = f"the extension {self.url} is not for this release of FHIR"
            name = "EXTENSION_FHIR_VERSION_LATEST"
            issues.append(Issue("error", "business-rule", "", text, name))
        if not self._allowed(places, at, primitive) and not self._queried(value, context):
            kind = "M" if modifier else "P"
            text = f"the extension {self.url} is not allowed to be used at this point ({at})"
            name = f"Extension_EXT{kind}_Context_Wrong"
            issues.append(Issue("error", "structure", "", text, name))
        issues += self._value(value)
        found = self.content(value, None, context)
        return issues + found if found else issues or None

    def _allowed(self, places: frozenset[str], at: str, primitive: bool) -> bool:
        if self.contexts is None:
            return True
        if not self.contexts.isdisjoint(places):
            return True
        if primitive:
            return False
        return at in self.contexts or not self.contexts.isdisjoint(
            self.compiler.extensions.above(at)
        )

    def _queried(self, value: Resource, context: Context) -> bool:
        """Whether what the extension stands on is among the results of a FHIRPath context."""
        return any(
            isinstance(node, dict)
            and any(
                held is value
                for name in ("extension", "modifierExtension")
                for held in node.get(name, ())
            )
            for query in self.queries
            for node in query(context.resource, context)
        )

    def _value(self, value: Resource) -> list[Issue]:
        given = next((k[5:] for k in value if k.startswith("value")), None)
        if given is None:
            given = next((k[6:] for k in value if k.startswith("_value")), None)
        if given is not None:
            if given in self.types:
                return []
            text = f"the extension allows the types {sorted(self.types)}, not {given}"
            return [Issue("error", "structure", "", text, "Extension_EXT_Type")]
        if "extension" in value:
            if self.value_required and self.types:
                text = "the extension is a simple one, it must hold a value, not extensions"
                return [Issue("error", "structure", "", text, "Extension_EXT_Simple_WRONG")]
        elif self.types:
            text = "the extension is a simple one, so it must hold a value"
            return [Issue("error", "structure", "", text, "Extension_EXT_Simple_ABSENT")]
        return []


def _misplaced(url: str, modifier: bool) -> Issue:
    name = "Extension_EXT_Modifier_Y" if modifier else "Extension_EXT_Modifier_N"
    word = "a modifierExtension" if modifier else "an extension"
    text = f"the extension {url} must not be used as {word}"
    return Issue("error", "structure", "", text, name)


def _types(value: Element | None) -> frozenset[str]:
    if value is None or value.maximum == 0:
        return frozenset()
    codes = [type_code(t) for t in value.definition.get("type", ())]
    return frozenset(code[:1].upper() + code[1:] for code in codes)


def _contexts(structure: Resource, version: str) -> frozenset[str] | None:
    """The paths and URLs where the extension may stand; None for everywhere."""
    also = ALSO_AT.get(structure["url"])
    if also in EVERYWHERE:
        return None
    allowed = {also} if also else set()
    for context in structure.get("context", ()):
        if not _for_version(context, version):
            continue
        expression = context.get("expression", "")
        if context.get("type") == "fhirpath":
            continue
        if context.get("type") == "element" and expression in EVERYWHERE:
            return None
        allowed.add(expression.partition("#")[2] or expression)
    return frozenset(allowed)


def _for_version(context: Resource, version: str) -> bool:
    for extension in context.get("extension", ()):
        if not extension.get("url", "").endswith(VERSION_USE):
            continue
        bounds = {
            e["url"].rsplit("/", 1)[-1]: next(v for k, v in e.items() if k.startswith("value"))
            for e in extension.get("extension", ())
        }
        short = version[:3]
        low, high = bounds.get("startFhirVersion"), bounds.get("endFhirVersion")
        if (low and short < low[:3]) or (high and short > high[:3]):
            return False
    return True
