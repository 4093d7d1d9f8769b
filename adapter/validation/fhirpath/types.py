"""The types of FHIR as its StructureDefinitions state them, and FHIRPath's own.

A ``Type`` says what JSON keys an object of it may have and what stands there, so that a path is
resolved while it is compiled. Elements within a resource are types too, named by their path.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakKeyDictionary

SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
_STRINGS = "string uri code oid id uuid sid markdown base64Binary canonical url xhtml"
_INTEGERS = "integer positiveInt unsignedInt integer64"
# what operators make of a primitive
CATEGORIES = (
    dict.fromkeys(_STRINGS.split(), "string")
    | dict.fromkeys(_INTEGERS.split(), "integer")
    | {"boolean": "boolean", "decimal": "decimal", "time": "time"}
    | {"date": "date", "dateTime": "dateTime", "instant": "dateTime"}
)
RESOURCES = frozenset({"Resource", "DomainResource", "CanonicalResource", "MetadataResource"})
_INLINE = frozenset({"BackboneElement", "Element"})


class Definitions(Protocol):
    """Where StructureDefinitions come from."""

    release: str

    def structure(self, canonical: str, /) -> dict[str, Any] | None:
        """A StructureDefinition with a snapshot, by its URL or the name of its type."""
        ...


@dataclass(eq=False, slots=True)
class Type:
    """A type: its name, what it derives from, and its elements.

    ``category`` is what operators make of a primitive ("string", "date", ...); "" for an object.
    """

    name: str  # "HumanName", "Observation.component", "System.String"
    code: str  # what type() answers: "HumanName", "BackboneElement", "String"
    ancestors: tuple[str, ...] = ()  # its own name and those of what it derives from
    category: str = ""
    system: bool = False
    abstract: bool = False  # an object's own resourceType says what it is
    resource: bool = False
    elements: dict[str, Element] = field(default_factory=dict)
    keys: dict[str, Element] = field(default_factory=dict)  # by JSON key


@dataclass(eq=False, slots=True)
class Element:
    """An element of a type: its name without ``[x]``, and the types of what may stand there."""

    name: str
    many: bool
    choices: dict[str, str]  # from JSON keys to the names of types


def _system(name: str, category: str) -> Type:
    return Type(f"System.{name}", name, (name, f"System.{name}"), category, system=True)


STRING = _system("String", "string")
BOOLEAN = _system("Boolean", "boolean")
INTEGER = _system("Integer", "integer")
DECIMAL = _system("Decimal", "decimal")
DATE = _system("Date", "date")
DATE_TIME = _system("DateTime", "dateTime")
TIME = _system("Time", "time")
QUANTITY = _system("Quantity", "quantity")
INFO = _system("TypeInfo", "info")
SYSTEM = {
    t.code: t for t in (STRING, BOOLEAN, INTEGER, DECIMAL, DATE, DATE_TIME, TIME, QUANTITY, INFO)
}
SYSTEM_NAMES = frozenset(SYSTEM) | {"SimpleTypeInfo", "ClassInfo"}


class Types:
    """The types of one set of definitions, read when they are first needed."""

    def __init__(self, definitions: Definitions):
        self.definitions = definitions
        self._types: dict[str, Type | None] = {}

    @property
    def any_resource(self) -> Type:
        """The type of a resource that may be any: what most have is known of it."""
        return self.needed("DomainResource")

    def get(self, name: str) -> Type | None:
        """A type by its name or URL, or an element by its path; None when it is unknown."""
        name = name.removeprefix("http://hl7.org/fhir/StructureDefinition/")
        if name not in self._types:
            self._read(name.partition(".")[0] if ":" not in name else name)
        if name not in self._types:
            self._types[name] = self._by_path(name)
        return self._types[name]

    def at(self, path: str) -> tuple[str, ...]:
        """Names of what may stand at ``Patient``, ``HumanName`` or ``Observation.value[x]``."""
        if self.get(path) is not None:
            return (path,)
        owner, _, last = path.rpartition(".")
        names: list[str] = []
        for name in self.at(owner) if owner else ():
            parent = self.needed(name)
            if last in parent.keys:
                names.append(parent.keys[last].choices[last])
            elif (element := parent.elements.get(last.removesuffix("[x]"))) is not None:
                names += element.choices.values()
        return tuple(dict.fromkeys(names))

    def needed(self, name: str) -> Type:
        """A type by its name; one without elements when the definitions lack it."""
        found = self.get(name)
        if found is None:
            found = self._types[name] = Type(name, name, (name,))
        return found

    def known(self, name: str) -> bool:
        """Whether there is such a type in FHIR or FHIRPath."""
        space, _, local = name.rpartition(".")
        if space == "System" or (not space and local in SYSTEM_NAMES):
            return local in SYSTEM_NAMES
        return space in ("", "FHIR") and self.definitions.structure(local) is not None

    def _by_path(self, path: str) -> Type | None:
        owner, _, last = path.rpartition(".")
        if not owner or ":" in path:
            return None
        parent = self.get(owner)
        element = parent.elements.get(last) if parent is not None else None
        if element is None or len(element.choices) != 1:
            return None
        return self.get(next(iter(element.choices.values())))

    def _read(self, root: str) -> None:
        structure = self.definitions.structure(root)
        elements = structure.get("snapshot", {}).get("element", ()) if structure else ()
        if structure is None or not elements:
            self._types[root] = None
            return
        kind = structure.get("kind")
        base = structure.get("baseDefinition", "").rpartition("/")[2]
        made = Type(
            root,
            root,
            (root, *self._ancestors(base)),
            CATEGORIES.get(root, "string") if kind == "primitive-type" else "",
            abstract=bool(structure.get("abstract")) and kind == "resource",
            resource=kind == "resource",
        )
        self._types[root] = made
        self._fill(elements, made)

    def _ancestors(self, base: str) -> tuple[str, ...]:
        parent = self.get(base) if base else None
        return parent.ancestors if parent is not None else ()

    def _fill(self, elements: list[dict[str, Any]], root: Type) -> None:
        parts: dict[str, Type] = {elements[0]["path"]: root}
        owners = {one["path"].rpartition(".")[0] for one in elements}
        for one in elements[1:]:
            types = one.get("type", ())
            if one["path"] in owners and len(types) == 1 and types[0].get("code") in _INLINE:
                code = types[0]["code"]
                part = Type(one["path"], code, (one["path"], *self.needed(code).ancestors))
                self._types[one["path"]] = parts[one["path"]] = part
        for one in elements[1:]:
            owner, _, last = one["path"].rpartition(".")
            name = last.removesuffix("[x]")
            parent = parts.get(owner)
            if parent is None or name in parent.elements:
                continue
            maximum = one.get("base", {}).get("max") or one.get("max")
            element = Element(name, maximum not in ("0", "1"), _choices(one, last, parent, parts))
            parent.elements[name] = element
            parent.keys |= dict.fromkeys(element.choices, element)


def _choices(
    one: dict[str, Any], last: str, parent: Type, parts: dict[str, Type]
) -> dict[str, str]:
    if one["path"] in parts:
        return {last: one["path"]}
    if reference := one.get("contentReference"):
        return {last: reference.rpartition("#")[2]}
    codes = [_code(stated, last, parent) for stated in one.get("type", ())]
    return {last.replace("[x]", code[:1].upper() + code[1:]): code for code in codes if code}


def _code(stated: dict[str, Any], last: str, parent: Type) -> str:
    code: str = stated.get("code", "")
    if not code.startswith(SYSTEM_TYPE):
        return code
    if last == "id":
        return "id" if parent.resource else "string"
    return "uri" if last == "url" else "string"


_SHARED: WeakKeyDictionary[Any, Types] = WeakKeyDictionary()


def types_of(definitions: Definitions) -> Types:
    """The types of these definitions, made once for each."""
    try:
        found = _SHARED.get(definitions)
        if found is None:
            found = _SHARED[definitions] = Types(definitions)
    except TypeError:  # what cannot be referred to weakly is not remembered
        return Types(definitions)
    return found
