"""Compiles StructureDefinitions into closures that check plain JSON.

One closure checks one object: a table from JSON keys to the closures of its elements, the keys
that must be there, and the invariants. Base and profile are one tree, since a profile's snapshot
holds the base's rules. A closure gives None when all is well, else issues whose paths grow on the
way back up, so that a valid resource costs no path at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.validation import datatypes, primitives
from adapter.validation.context import Check, Context, Found
from adapter.validation.definitions import CORE, Definitions
from adapter.validation.elements import Element, tree
from adapter.validation.extensions import Extensions
from adapter.validation.fixed import value_checks, value_needed
from adapter.validation.invariants import Invariants
from adapter.validation.issues import Issue
from adapter.validation.members import (
    EMPTY_ELEMENT,
    RESOURCES,
    Bounds,
    Member,
    all_of,
    any_of,
    element_id,
    fragment,
    many,
    many_siblings,
    no_extensions,
    nothing,
    object_check,
    only_one,
    profiles,
    resource_check,
    single,
    single_sibling,
    unknown_profile,
    unknown_type,
)
from adapter.validation.slicing import Slicing

if TYPE_CHECKING:
    from adapter.validation.terminology import Terminology

OBJECTS = frozenset({"BackboneElement", "Element"})


class Compiler:
    """Checks of one release's definitions, made when they are first needed."""

    def __init__(self, definitions: Definitions, terminology: Terminology, best_practice: bool):
        self.definitions = definitions
        self.terminology = terminology
        self.invariants = Invariants(definitions, best_practice)
        self.slicing = Slicing(self)
        self.extensions = Extensions(self)
        self._structures: dict[str, Check | None] = {}
        self._trees: dict[str, Element] = {}

    def structure(self, url: str) -> Check | None:
        """The check of a whole structure by its canonical or type; None when it is unknown."""
        if url not in self._structures:
            found = self.definitions.structure(url)
            self._structures[url] = None if found is None else self._lazily(url, found)
        return self._structures[url]

    def tree(self, structure: dict[str, Any]) -> Element:
        """A structure's elements."""
        key = f"{structure['url']}|{structure.get('version')}"
        if key not in self._trees:
            self._trees[key] = tree(structure)
        return self._trees[key]

    def _lazily(self, url: str, structure: dict[str, Any]) -> Check:
        made: list[Check] = []

        def check(value: Any, sibling: Any, context: Context) -> Found:
            if not made:
                made.append(self._structure(structure))
                self._structures[url] = made[0]
            return made[0](value, sibling, context)

        return check

    def _structure(self, structure: dict[str, Any]) -> Check:
        root = self.tree(structure)
        return StructureCompiler(self, structure, root).root()

    def needed(self, url: str) -> Check:
        """The check of a structure that every release has; KeyError when it has not."""
        check = self.structure(url)
        if check is None:
            raise KeyError(url)
        return check

    def is_primitive(self, code: str) -> bool:
        """Whether a type is one of FHIR's primitives."""
        return self.definitions.kinds.get(code) == "primitive-type"

    def is_resource(self, code: str) -> bool:
        """Whether a type is a resource, abstract ones included."""
        return code in RESOURCES or code in self.definitions.resource_types


class StructureCompiler:
    """Compiles the elements of one StructureDefinition."""

    def __init__(self, compiler: Compiler, structure: dict[str, Any], root: Element):
        self.compiler = compiler
        self.structure = structure
        self.root_element = root
        version = structure.get("version")
        self.profile = structure["url"] + (f"|{version}" if version else "")
        self.core = structure["url"].startswith(CORE)
        self.derived = structure.get("derivation") == "constraint"
        self.is_extension = structure["type"] == "Extension" and structure["url"] != (
            CORE + "Extension"
        )
        self._by_path: dict[str, Check] = {}

    def root(self) -> Check:
        """The check of the structure's root."""
        code = self.structure["type"]
        if self.compiler.is_primitive(code):
            return self._primitive(self.root_element, code)
        return self.object(self.root_element, code)

    def object(self, element: Element, code: str) -> Check:
        """The check of an element with the children that this structure states."""
        table: dict[str, Member] = {}
        certain: dict[str, primitives.Test] = {}
        required: list[tuple[tuple[str, ...], Element]] = []
        for child in element.children:
            keys = self._members(element, child, code, table, certain)
            if child.minimum > 0 and keys:
                required.append((keys, child))
            required += self._required_slices(child, keys)
        if self.compiler.is_resource(code):
            table["resourceType"] = nothing
        runs = self.compiler.invariants.of(element, self._context_of(element, code), self.profile)
        is_element = not self.compiler.is_resource(code)
        return object_check(table, required, runs, is_element, self.profile, certain)

    def _required_slices(
        self, child: Element, keys: tuple[str, ...]
    ) -> list[tuple[tuple[str, ...], Element]]:
        """Slices that must be there although their element as a whole may be absent."""
        if child.name.endswith("[x]"):
            stem = child.name.removesuffix("[x]").lower()
            return [
                (
                    tuple(
                        k for k in keys if k.lower() in {stem + t["code"].lower() for t in s.types}
                    ),
                    s,
                )
                for s in child.slices
                if s.minimum > 0 and len(s.types) < len(child.types)
            ]
        if child.minimum > 0:
            return []
        return [(keys, one) for one in child.slices if one.minimum > 0]

    def _context_of(self, element: Element, code: str) -> str:
        return element.path if code in OBJECTS else code

    def _members(
        self,
        parent: Element,
        child: Element,
        code: str,
        table: dict[str, Member],
        certain: dict[str, primitives.Test],
    ) -> tuple[str, ...]:
        here = parent.path if code in OBJECTS or "." not in parent.path else code
        if child.name in ("extension", "modifierExtension"):
            table[child.name] = self._extensions(child, here, code, parent.path)
            return (child.name,)
        if not child.name.endswith("[x]"):
            declared = child.types[0] if child.types else {}
            name = child.name
            self._add(table, certain, child, name, declared, here)
            return (name,)
        keys = []
        stem = child.name.removesuffix("[x]")
        for declared in self._choice(child):
            key = stem + declared["code"][:1].upper() + declared["code"][1:]
            element = self._slice_of_type(child, declared["code"])
            types = [t for t in element.types if t["code"] == declared["code"]]
            self._add(table, certain, element, key, types[0] if types else declared, here)
            keys.append(key)
        if len(keys) > 1:
            self._refuse_two(table, keys, child)
            for key in keys:
                certain.pop(key, None)  # its member looks for another type beside it
        return tuple(keys)

    def _choice(self, element: Element) -> list[dict[str, Any]]:
        if [t["code"] for t in element.types] == ["*"]:
            kinds = self.compiler.definitions.kinds
            return [{"code": c} for c, kind in kinds.items() if kind.endswith("-type")]
        seen: dict[str, dict[str, Any]] = {}
        for declared in element.types:
            seen.setdefault(declared["code"], declared)
        return list(seen.values())

    def _slice_of_type(self, element: Element, code: str) -> Element:
        for one in element.slices:
            if [t["code"] for t in one.types] == [code]:
                return one
        return element

    def _refuse_two(self, table: dict[str, Member], keys: list[str], child: Element) -> None:
        """Of a choice's keys one may be there: the first that is there reports the second."""
        for number, key in enumerate(keys[:-1]):
            table[key] = only_one(table[key], tuple(keys[number + 1 :]), child.path, self.profile)

    def _add(
        self,
        table: dict[str, Member],
        certain: dict[str, primitives.Test],
        element: Element,
        key: str,
        declared: dict[str, Any],
        here: str,
    ) -> None:
        code = declared.get("code", "")
        choice = element.name.endswith("[x]")
        step = f".{element.name.removesuffix('[x]')}.ofType({code})" if choice else f".{key}"
        check = self.item(element, declared, f"{here}.{element.name}")
        primitive = self.compiler.is_primitive(code)
        where = "" if primitive else f"{here}.{element.name}"
        bounds = Bounds(element, step, self.profile)
        if key == "id" and self._is_element_id(element, here):
            table[key] = element_id(single(check, key, "", bounds))
            table["_id"] = single_sibling(check, key, step)
            return
        if element.repeats:
            slices = self.compiler.slicing.of(self, element, step) if element.slices else None
            table[key] = many(check, key if primitive else "", where, bounds, slices)
            if primitive:
                table["_" + key] = many_siblings(check, key, bounds)
        elif code == "xhtml":
            table[key] = single(check, key, "", bounds)
            table["_" + key] = no_extensions(step)
        else:
            table[key] = single(check, key if primitive else "", where, bounds)
            test = self._certain(element, code) if primitive and bounds.high else None
            if test is not None:
                certain[key] = test
            if primitive:
                table["_" + key] = single_sibling(check, key, step)

    def _is_element_id(self, element: Element, here: str) -> bool:
        return not self.compiler.is_resource(here) and element.path != "ElementDefinition.id"

    def _extensions(self, child: Element, here: str, code: str, path: str) -> Member:
        check = self.compiler.extensions.check(self, child, here, code, path)
        bounds = Bounds(child, f".{child.name}", self.profile)
        step = bounds.step
        slices = self.compiler.slicing.of(self, child, step) if child.slices else None
        return many(check, "", "", bounds, slices)

    def item(self, element: Element, declared: dict[str, Any], path: str) -> Check:
        """The check of one value of an element, of one of its types."""
        checks = [self._type_check(element, declared, path)]
        checks += value_checks(element, self.profile)
        code = declared.get("code", "")
        checks += datatypes.checks(self.compiler, self, element, declared, code)
        if datatypes.is_settled(self.compiler, element, code):
            checks = [datatypes.remembered(all_of(tuple(checks)))]
        runs = self.compiler.invariants.at_use(element, code, self._inlined(element), self.profile)
        if runs is not None:
            checks.append(runs)
        return checks[0] if len(checks) == 1 else all_of(tuple(checks))

    def _inlined(self, element: Element) -> bool:
        return bool(element.children)

    def _type_check(self, element: Element, declared: dict[str, Any], path: str) -> Check:
        code = declared.get("code", "")
        reference = element.definition.get("contentReference")
        if reference and not element.children:
            return self._referred(reference)
        if code == "xhtml":
            return datatypes.narrative(self.compiler.definitions.release)
        if self.compiler.is_primitive(code):
            return self._primitive(element, code)
        if code == "Extension":
            if element.children:
                return self.object(element, code)
            return self.compiler.extensions.check(self, element, path, code, element.path)
        if self.compiler.is_resource(code):
            return resource_check(code, profiles(declared), element.name)
        if element.children:
            return self._inline(element, declared, code)
        return self._typed(declared, code)

    def _inline(self, element: Element, declared: dict[str, Any], code: str) -> Check:
        own = self.object(element, code)
        named = profiles(declared)
        if code in OBJECTS or not named:
            return own
        return all_of((own, self._typed(declared, code)))

    def _typed(self, declared: dict[str, Any], code: str) -> Check:
        named = profiles(declared)
        known = [p for url in named if (p := self.compiler.structure(url)) is not None]
        if named and not known:
            return unknown_profile(named)
        if len(known) > 1:
            return any_of(tuple(known), named)
        if known:
            return known[0]
        return self.compiler.structure(code) or unknown_type(code)

    def _referred(self, reference: str) -> Check:
        path = reference.partition("#")[2]
        made: list[Check] = []

        def check(value: Any, sibling: Any, context: Context) -> Found:
            if not made:
                target = next(e for e in self.root_element.walk() if e.id == path or e.path == path)
                made.append(self._by_path.get(path) or self.object(target, "BackboneElement"))
            return made[0](value, sibling, context)

        return check

    def _primitive(self, element: Element, code: str) -> Check:
        test = primitives.quick(code)
        release, core = self.compiler.definitions.release, self.core
        binding = datatypes.code_binding(self.compiler, element, code, self.derived)
        is_url = element.definition.get("base", {}).get("path", "").endswith(".url")
        defining = is_url and self.compiler.extensions.is_canonical(element.path.split(".")[0])
        internal = fragment(code, defining and element.path.count(".") == 1)
        base = element.definition.get("base", {}).get("path")
        identifier = code == "id" and (
            base == "Resource.id" or element.path == "ElementDefinition.id"
        )
        kind = "string" if identifier else code
        own = self._element_check(element, code)
        absent = value_needed(element)

        def closer(value: Any, sibling: Any, context: Context) -> Found:
            issues: list[Issue] = []
            if value is None:
                issues += absent(sibling)
                if not sibling:
                    text = "a primitive must have a value or extensions"
                    name = "Type_Specific_Checks_DT_Primitive_ValueExt"
                    issues.append(Issue("error", "invalid", "", text, name))
                elif len(sibling) == 1 and "id" in sibling:
                    issues.append(Issue(*EMPTY_ELEMENT))
            else:
                for severity, name, text in primitives.problems(kind, value, release, core):
                    issues.append(Issue(severity, "invalid", "", text, name))
            if code in primitives.URIS and (more := internal(value, None, context)):
                issues += more
            if binding and (more := binding(value, sibling, context)):
                issues += more
            if sibling is not None and (more := own(sibling, None, context)):
                issues += more
            return issues

        if binding is None:

            def check(value: Any, sibling: Any, context: Context) -> Found:
                try:
                    if sibling is None and test(value):
                        return None
                except TypeError:
                    pass  # of another JSON type: the closer look says so
                return closer(value, sibling, context)

            return check

        def check_bound(value: Any, sibling: Any, context: Context) -> Found:
            try:
                if sibling is None and test(value):
                    return binding(value, sibling, context)
            except TypeError:
                pass
            return closer(value, sibling, context)

        return check_bound

    def _certain(self, element: Element, code: str) -> primitives.Test | None:
        """A test that settles the element alone; None where it demands more than its type."""
        invariants = self.compiler.invariants.at_use(element, code, False, self.profile)
        if invariants is not None or value_checks(element, self.profile):
            return None
        if datatypes.code_binding(self.compiler, element, code, self.derived) is None:
            return primitives.quick(code)
        value_set, strength = datatypes.binding_of(element)
        if value_set is None or strength != "required":
            return None
        members = self.compiler.terminology.members(value_set)
        return members.__contains__ if members else None

    def _element_check(self, element: Element, code: str) -> Check:
        """The check of ``_name``: an Element with id and extensions."""
        made: list[Check] = []

        def check(value: Any, _sibling: Any, context: Context) -> Found:
            if not made:
                made.append(self._primitive_element(element, code))
            return made[0](value, None, context)

        return check

    def _primitive_element(self, element: Element, code: str) -> Check:
        found = self.compiler.definitions.needed("Element")
        base = tree(found)
        inner = StructureCompiler(self.compiler, found, base)
        table: dict[str, Member] = {}
        certain: dict[str, primitives.Test] = {}
        here = element.definition.get("base", {}).get("path") or element.path
        parent = Element({**base.definition, "path": here})
        for child in base.children:
            stated = element.child(child.name)
            inner._members(parent, stated or child, code, table, certain)
        return object_check(table, [], None, False, self.profile, certain)


def _names(stem: str, choice: Element) -> set[str]:
    return {stem + declared["code"].lower() for declared in choice.types}
