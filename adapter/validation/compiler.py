"""Compiles StructureDefinitions into closures that check plain JSON.

One closure checks one object: a table from JSON keys to the closures of its elements, the keys
that must be there, and the invariants. Base and profile are one tree, since a profile's snapshot
holds the base's rules. A closure gives None when all is well, else issues whose paths grow on the
way back up, so that a valid resource costs no path at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from adapter.validation import datatypes, primitives
from adapter.validation.context import Check, Context, Found, below
from adapter.validation.definitions import CORE, Definitions
from adapter.validation.elements import Element, tree, type_code
from adapter.validation.extensions import Extensions
from adapter.validation.fixed import value_checks
from adapter.validation.invariants import Invariants
from adapter.validation.issues import Issue
from adapter.validation.references import check_internal
from adapter.validation.slicing import Slices, Slicing, too_few
from adapter.validation.uris import check_defining_url

if TYPE_CHECKING:
    from adapter.validation.terminology import Terminology

# what a key of an object leads to: (value, the object, context) -> issues seen from the object
Member = Callable[[Any, dict[str, Any], Context], Found]
OBJECTS = frozenset({"BackboneElement", "Element"})
EMPTY_ELEMENT = (
    "error",
    "invariant",
    "",
    "Constraint failed: ele-1: 'All FHIR elements must have a @value or children'",
    CORE + "Element#ele-1",
)
RESOURCES = frozenset({"Resource", "DomainResource", "CanonicalResource", "MetadataResource"})


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
        required: list[tuple[tuple[str, ...], Element]] = []
        for child in element.children:
            keys = self._members(element, child, code, table)
            if child.minimum > 0 and keys:
                required.append((keys, child))
            required += self._required_slices(child, keys)
        if self.compiler.is_resource(code):
            table["resourceType"] = _nothing
        runs = self.compiler.invariants.of(element, self._context_of(element, code), self.profile)
        is_element = not self.compiler.is_resource(code)
        return _object_check(table, required, runs, is_element, self.profile)

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
        self, parent: Element, child: Element, code: str, table: dict[str, Member]
    ) -> tuple[str, ...]:
        here = parent.path if code in OBJECTS or "." not in parent.path else code
        if child.name in ("extension", "modifierExtension"):
            table[child.name] = self._extensions(child, here, code, parent.path)
            return (child.name,)
        if not child.name.endswith("[x]"):
            declared = child.types[0] if child.types else {}
            name = child.name
            self._add(table, child, name, declared, here)
            return (name,)
        keys = []
        stem = child.name.removesuffix("[x]")
        for declared in self._choice(child):
            key = stem + declared["code"][:1].upper() + declared["code"][1:]
            element = self._slice_of_type(child, declared["code"])
            types = [t for t in element.types if t["code"] == declared["code"]]
            self._add(table, element, key, types[0] if types else declared, here)
            keys.append(key)
        self._refuse_two(table, keys, child)
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
        if len(keys) < 2:
            return
        for number, key in enumerate(keys[:-1]):
            table[key] = _only_one(table[key], tuple(keys[number + 1 :]), child.path, self.profile)

    def _add(
        self,
        table: dict[str, Member],
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
            table[key] = _element_id(_single(check, key, "", bounds))
            table["_id"] = _single_sibling(check, key, step)
            return
        if element.repeats:
            slices = self.compiler.slicing.of(self, element, step) if element.slices else None
            table[key] = _many(check, key if primitive else "", where, bounds, slices)
            if primitive:
                table["_" + key] = _many_siblings(check, key, bounds)
        elif code == "xhtml":
            table[key] = _single(check, key, "", bounds)
            table["_" + key] = _no_extensions(step)
        else:
            table[key] = _single(check, key if primitive else "", where, bounds)
            if primitive:
                table["_" + key] = _single_sibling(check, key, step)

    def _is_element_id(self, element: Element, here: str) -> bool:
        return not self.compiler.is_resource(here) and element.path != "ElementDefinition.id"

    def _extensions(self, child: Element, here: str, code: str, path: str) -> Member:
        check = self.compiler.extensions.check(self, child, here, code, path)
        bounds = Bounds(child, f".{child.name}", self.profile)
        step = bounds.step
        slices = self.compiler.slicing.of(self, child, step) if child.slices else None
        return _many(check, "", "", bounds, slices)

    def item(self, element: Element, declared: dict[str, Any], path: str) -> Check:
        """The check of one value of an element, of one of its types."""
        checks = [self._type_check(element, declared, path)]
        checks += value_checks(element, self.profile)
        code = declared.get("code", "")
        checks += datatypes.checks(self.compiler, self, element, declared, code)
        runs = self.compiler.invariants.at_use(element, code, self._inlined(element), self.profile)
        if runs is not None:
            checks.append(runs)
        return checks[0] if len(checks) == 1 else _all(tuple(checks))

    def _inlined(self, element: Element) -> bool:
        return bool(element.children)

    def _type_check(self, element: Element, declared: dict[str, Any], path: str) -> Check:
        code = declared.get("code", "")
        reference = element.definition.get("contentReference")
        if reference and not declared:
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
            return _resource_check(code, _profiles(declared), element.name)
        if element.children:
            return self._inline(element, declared, code)
        return self._typed(declared, code)

    def _inline(self, element: Element, declared: dict[str, Any], code: str) -> Check:
        own = self.object(element, code)
        profiles = _profiles(declared)
        if code in OBJECTS or not profiles:
            return own
        return _all((own, self._typed(declared, code)))

    def _typed(self, declared: dict[str, Any], code: str) -> Check:
        profiles = _profiles(declared)
        known = [p for url in profiles if (p := self.compiler.structure(url)) is not None]
        if profiles and not known:
            return _unknown_profile(profiles)
        if len(known) > 1:
            return _any_of(tuple(known), profiles)
        if known:
            return known[0]
        return self.compiler.structure(code) or _unknown_type(code)

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
        internal = _fragment(code, defining and element.path.count(".") == 1)
        identifier = code == "id" and element.definition.get("base", {}).get("path") in (
            "Resource.id",
            "ElementDefinition.id",
        )
        kind = "string" if identifier else code
        own = self._element_check(element, code)

        def closer(value: Any, sibling: Any, context: Context) -> Found:
            issues: list[Issue] = []
            if value is None:
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
                if sibling is None and test(value):
                    return None
                return closer(value, sibling, context)

            return check

        def check_bound(value: Any, sibling: Any, context: Context) -> Found:
            if sibling is None and test(value):
                return binding(value, sibling, context)
            return closer(value, sibling, context)

        return check_bound

    def _element_check(self, element: Element, code: str) -> Check:
        """The check of ``_name``: an Element with id and extensions."""
        made: list[Check] = []

        def check(value: Any, _sibling: Any, context: Context) -> Found:
            if not made:
                made.append(self._primitive_element(element, code))
            return made[0](value, None, context)

        return check

    def _primitive_element(self, element: Element, code: str) -> Check:
        found = self.compiler.definitions.structure("Element")
        assert found is not None
        base = tree(found)
        inner = StructureCompiler(self.compiler, found, base)
        table: dict[str, Member] = {}
        here = element.path
        for child in base.children:
            stated = element.child(child.name)
            inner._members(Element({**base.definition, "path": here}), stated or child, code, table)
        return _object_check(table, [], None, False, self.profile)


def _fragment(code: str, defining: bool) -> Check:
    """The check of a URI that names a part of the resource, or the resource itself."""

    def check(value: Any, _sibling: Any, context: Context) -> Found:
        if type(value) is not str:
            return None
        if defining:
            return check_defining_url(value, "", context.container == "contained")
        if value.startswith("#") and len(value) > 1:
            return check_internal(code, value, "", context.scope, context.root, context.bundle)
        return None

    return check


class Bounds:
    """How often an element may be there, and the words for it."""

    def __init__(self, element: Element, step: str, profile: str):
        self.path, self.step, self.profile = element.path, step, profile
        self.low, self.high = element.minimum, element.maximum

    def too_many(self, count: int) -> Issue:
        """More than the maximum."""
        text = f"{self.path}: max allowed = {self.high:g}, but found {count}"
        name = "Validation_VAL_Profile_Maximum"
        return Issue("error", "structure", "", text, name, profile=self.profile)

    def too_few(self, count: int) -> Issue:
        """Fewer than the minimum."""
        return missing(self.path, self.low, count, self.profile)


def missing(path: str, low: int, count: int, profile: str) -> Issue:
    """An element that is not there as often as it must be."""
    text = f"{path}: minimum required = {low}, but only found {count}"
    return Issue("error", "structure", "", text, "Validation_VAL_Profile_Minimum", profile=profile)


def _nothing(_value: Any, _holder: dict[str, Any], _context: Context) -> Found:
    return None


def _profiles(declared: dict[str, Any]) -> list[str]:
    return list(declared.get("profile", ()))


def structure_error(text: str, name: str, path: str = "") -> Issue:
    """A fault of the JSON's shape."""
    return Issue("error", "structure", path, text, name)


def _object_check(
    table: dict[str, Member],
    required: Sequence[tuple[tuple[str, ...], Element]],
    invariants: Check | None,
    element: bool,
    profile: str,
) -> Check:
    one_key = tuple(keys[0] for keys, _ in required if len(keys) == 1)
    several = tuple(keys for keys, _ in required if len(keys) > 1)
    find = table.get
    extension, modifier = find("extension"), find("modifierExtension")

    def absent(value: dict[str, Any]) -> list[Issue]:
        return [
            too_few(element, 0, profile)
            if element.slice_name
            else missing(element.path, element.minimum, 0, profile)
            for keys, element in required
            if not any(value.get(k) is not None or "_" + k in value for k in keys)
        ]

    def check(value: Any, _sibling: Any, context: Context) -> Found:
        if type(value) is not dict:
            return [_not_an_object(value)]
        if not value:
            return [
                structure_error("an object must have some content", "Object_must_have_some_content")
            ]
        issues: Found = None
        if len(value) == 1 and "id" in value and element:
            issues = [Issue(*EMPTY_ELEMENT)]
        if "extension" in value and extension is not None:
            issues = extension(value["extension"], value, context)
        if "modifierExtension" in value and modifier is not None:
            issues = (issues or []) + (modifier(value["modifierExtension"], value, context) or [])
        for key in value:
            member = find(key)
            if member is None:
                text = f"unrecognised property '{key}'"
                issues = [*(issues or ()), structure_error(text, "Unrecognised_property_")]
            elif member is not extension and member is not modifier:
                found = member(value[key], value, context)
                if found:
                    issues = issues + found if issues else found
        for key in one_key:
            if value.get(key) is None and "_" + key not in value:
                issues = (issues or []) + absent(value)
                break
        else:
            for keys in several:
                if not any(k in value or "_" + k in value for k in keys):
                    issues = (issues or []) + absent(value)
                    break
        if invariants is not None:
            found = invariants(value, None, context)
            if found:
                issues = issues + found if issues else found
        return issues

    return check


def _not_an_object(value: Any) -> Issue:
    text = f"this property must be an object, not {_kind(value)}"
    return structure_error(text, "This_property_must_be_an_object_not_")


def _kind(value: Any) -> str:
    kinds = {dict: "an Object", list: "an Array", type(None): "a Null"}
    return kinds.get(type(value), "a primitive value")


def _single(check: Check, primitive: str, where: str, bounds: Bounds) -> Member:
    step, high = bounds.step, bounds.high
    sibling_key = "_" + primitive

    def complex_member(value: Any, _holder: dict[str, Any], context: Context) -> Found:
        context.at = where
        if type(value) is list:
            text = "the property must be an Object, not an Array"
            return [structure_error(text, "This_property_must_be_an_object_not_", step)]
        found = check(value, None, context)
        if high == 0:
            found = [*(found or ()), bounds.too_many(1).below(step)]
            return [*below(found[:-1], step), found[-1]]
        return below(found, step) if found else None

    def primitive_member(value: Any, holder: dict[str, Any], context: Context) -> Found:
        sibling = holder.get(sibling_key)
        if value is None or type(value) is dict or type(value) is list:
            text = f"the property must be a simple value, not {_kind(value)}"
            name = "This_property_must_be_an_simple_value_not_"
            return [structure_error(text, name, step)]
        found = check(value, sibling, context)
        if high == 0:
            return [*below(found, step), bounds.too_many(1)]
        return below(found, step) if found else None

    return primitive_member if primitive else complex_member


def _no_extensions(step: str) -> Member:
    """XHTML is a primitive that may have an id, and no extensions."""

    def check(value: Any, _holder: dict[str, Any], _context: Context) -> Found:
        if type(value) is not dict:
            return [_not_an_object(value).below(step)]
        text = "unrecognised property '{}'"
        name = "Unrecognised_property_"
        return [structure_error(text.format(k), name, step) for k in value if k != "id"]

    return check


def _element_id(member: Member) -> Member:
    """Ids of elements: no two in a resource are the same."""

    def check(value: Any, holder: dict[str, Any], context: Context) -> Found:
        found = member(value, holder, context)
        if isinstance(value, str):
            if value in context.ids:
                duplicate = Issue("error", "invalid", "", f"duplicate id '{value}'", "DUPLICATE_ID")
                return [*(found or ()), duplicate]
            context.ids.add(value)
        return found

    return check


def _single_sibling(check: Check, key: str, step: str) -> Member:
    def member(value: Any, holder: dict[str, Any], context: Context) -> Found:
        if type(value) is not dict:
            return [_not_an_object(value).below(step)]
        if not value:
            text = "an object must have some content"
            return [structure_error(text, "Object_must_have_some_content", step)]
        if holder.get(key) is not None:
            return None  # the value's own check sees both
        found = check(None, value, context)
        return below(found, step) if found else None

    return member


def _many(
    check: Check,
    primitive: str,
    where: str,
    bounds: Bounds,
    slices: Slices | None,
) -> Member:
    step, low, high = bounds.step, bounds.low, bounds.high
    sibling_key = "_" + primitive

    def member(values: Any, holder: dict[str, Any], context: Context) -> Found:
        if type(values) is not list:
            text = f"the property must be a JSON Array, not {_kind(values)}"
            wrong = structure_error(text, "This_property_must_be_an_Array_not_", step)
            more = check(values, None, context) if type(values) is dict else None
            return [wrong, *below(more, step)]
        count = len(values)
        if not count:
            return [structure_error("an array cannot be empty", "ARRAY_CANNOT_BE_EMPTY", step)]
        context.at = where
        issues: Found = None
        siblings = holder.get(sibling_key) if primitive else None
        if type(siblings) is not list:
            siblings = None
        if slices is not None:
            issues = slices.check(values, check, context, siblings)
        for index, value in enumerate(values) if slices is None else ():
            sibling = siblings[index] if siblings and index < len(siblings) else None
            if value is None and sibling is None:
                text = "the property must be a value, not a Null"
                wrong = structure_error(text, "This_property_must_be_an_Array_not_")
                found: Found = [wrong]
            else:
                found = check(value, sibling, context)
            if found:
                issues = (issues or []) + below(found, f"{step}[{index}]")
        if count > high:
            issues = [*(issues or ()), bounds.too_many(count)]
        elif count < low:
            issues = [*(issues or ()), bounds.too_few(count)]
        return issues

    return member


def _many_siblings(check: Check, key: str, bounds: Bounds) -> Member:
    step = bounds.step

    def member(siblings: Any, holder: dict[str, Any], context: Context) -> Found:
        if type(siblings) is not list:
            text = f"the property must be a JSON Array, not {_kind(siblings)}"
            return [structure_error(text, "This_property_must_be_an_Array_not_", step)]
        if not siblings:
            return [structure_error("an array cannot be empty", "ARRAY_CANNOT_BE_EMPTY", step)]
        values = holder.get(key)
        count = len(values) if type(values) is list else 0
        issues: list[Issue] = []
        for index, sibling in enumerate(siblings):
            if sibling is not None and type(sibling) is not dict:
                issues.append(_not_an_object(sibling).below(f"{step}[{index}]"))
            elif index >= count and sibling is not None:
                issues += below(check(None, sibling, context), f"{step}[{index}]")
        return issues

    return member


def _only_one(member: Member, others: tuple[str, ...], path: str, profile: str) -> Member:
    def check(value: Any, holder: dict[str, Any], context: Context) -> Found:
        found = member(value, holder, context)
        for other in others:
            if other in holder:
                text = f"{path}: max allowed = 1, but found more than one type"
                name = "Validation_VAL_Profile_Maximum"
                wrong = Issue("error", "structure", "", text, name, profile=profile)
                return [*(found or ()), wrong]
        return found

    return check


def _all(checks: tuple[Check, ...]) -> Check:
    def check(value: Any, sibling: Any, context: Context) -> Found:
        issues: Found = None
        for one in checks:
            found = one(value, sibling, context)
            if found:
                issues = issues + found if issues else found
        return issues

    return check


def _any_of(checks: tuple[Check, ...], urls: list[str]) -> Check:
    """Several profiles on a type: one of them must hold."""

    def check(value: Any, sibling: Any, context: Context) -> Found:
        tried = [one(value, sibling, context) or [] for one in checks]
        for found in tried:
            if not any(i.severity in ("error", "fatal") for i in found):
                return found
        text = f"the value matches none of the profiles {', '.join(sorted(urls))}"
        wrong = Issue("error", "structure", "", text, "Validation_VAL_Profile_NoMatch")
        return [wrong, *tried[0]]

    return check


def _resource_check(code: str, profiles: list[str], name: str) -> Check:
    def check(value: Any, _sibling: Any, context: Context) -> Found:
        if type(value) is not dict:
            return [_not_an_object(value)]
        if not value:
            return [
                structure_error("an object must have some content", "Object_must_have_some_content")
            ]
        found = context.nested(value, context, name, profiles)
        kind = value.get("resourceType")
        if code not in RESOURCES and kind != code and isinstance(kind, str):
            text = f"the resource must be of type {code}, not {kind}"
            found = [*found, Issue("error", "structure", "", text, "Bundle_BUNDLE_Entry_Type")]
        return found

    return check


def _unknown_profile(urls: list[str]) -> Check:
    text = f"the profile {', '.join(urls)} is unknown"

    def check(_value: Any, _sibling: Any, _context: Context) -> Found:
        return [Issue("error", "structure", "", text, "Validation_VAL_Unknown_Profile")]

    return check


def _unknown_type(code: str) -> Check:
    text = f"the type {code} is unknown"

    def check(_value: Any, _sibling: Any, _context: Context) -> Found:
        return [Issue("error", "structure", "", text, "Validation_VAL_NoType")]

    return check


__all__ = ["Compiler", "StructureCompiler", "type_code"]
