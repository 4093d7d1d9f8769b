"""Closures for the members of an object: how often each may be there, in which JSON shape.

https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adapter.validation.context import Check, Context, Found, below
from adapter.validation.definitions import CORE
from adapter.validation.elements import Element
from adapter.validation.issues import Issue
from adapter.validation.primitives import Test
from adapter.validation.references import check_internal
from adapter.validation.slicing import Slices, too_few
from adapter.validation.uris import check_defining_url

# what a key of an object leads to: (value, the object, context) -> issues seen from the object
Member = Callable[[Any, dict[str, Any], Context], Found]
EXTENSIONS = frozenset({"extension", "modifierExtension"})
EMPTY_ELEMENT = (
    "error",
    "invariant",
    "",
    "Constraint failed: ele-1: 'All FHIR elements must have a @value or children'",
    CORE + "Element#ele-1",
)
RESOURCES = frozenset({"Resource", "DomainResource", "CanonicalResource", "MetadataResource"})


def fragment(code: str, defining: bool) -> Check:
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


def nothing(_value: Any, _holder: dict[str, Any], _context: Context) -> Found:
    """A member that is always fine."""
    return None


def profiles(declared: dict[str, Any]) -> list[str]:
    """The profiles that a declared type names."""
    return list(declared.get("profile", ()))


def structure_error(text: str, name: str, path: str = "") -> Issue:
    """A fault of the JSON's shape."""
    return Issue("error", "structure", path, text, name)


def object_check(
    table: dict[str, Member],
    required: Sequence[tuple[tuple[str, ...], Element]],
    invariants: Check | None,
    element: bool,
    profile: str,
    certain: dict[str, Test],
) -> Check:
    """The check of one object: its members, those that must be there, its invariants.

    ``certain`` holds, by key, tests of simple values that are right beyond doubt.
    """
    needed = frozenset(keys[0] for keys, _ in required if len(keys) == 1)
    several = tuple(keys for keys, _ in required if len(keys) > 1)
    extension, modifier = table.get("extension"), table.get("modifierExtension")
    members = {key: (certain.get(key), one) for key, one in table.items() if key not in EXTENSIONS}
    find = members.get

    def absent(value: dict[str, Any]) -> list[Issue]:
        return [
            too_few(element, 0, profile)
            if element.slice_name
            else missing(element.path, element.minimum, 0, profile)
            for keys, element in required
            if not any(key in value or "_" + key in value for key in keys)
        ]

    def extensions(value: dict[str, Any], context: Context) -> Found:
        found: list[Issue] = []
        if "extension" in value and extension is not None:
            found += extension(value["extension"], value, context) or ()
        if "modifierExtension" in value and modifier is not None:
            found += modifier(value["modifierExtension"], value, context) or ()
        return found

    def check(value: Any, _sibling: Any, context: Context) -> Found:
        if type(value) is not dict:
            return [_not_an_object(value)]
        if not value:
            return [empty_object()]
        issues: Found = None
        if "extension" in value or "modifierExtension" in value:
            issues = extensions(value, context)  # first: they need to know where they stand
        for key, held in value.items():
            known = find(key)
            if known is not None:
                test, member = known
                if test is not None:
                    try:
                        if test(held):
                            continue
                    except TypeError:
                        pass  # of another JSON type: the member says so
                found = member(held, value, context)
                if found:
                    issues = issues + found if issues else found
            elif key not in table:
                text = f"unrecognised property '{key}'"
                issues = [*(issues or ()), structure_error(text, "Unrecognised_property_")]
        if needed and not needed <= value.keys():
            issues = [*(issues or ()), *absent(value)]
        elif several:
            for keys in several:
                if not any(key in value or "_" + key in value for key in keys):
                    issues = [*(issues or ()), *absent(value)]
                    break
        if invariants is not None:
            found = invariants(value, None, context)
            if found:
                issues = issues + found if issues else found
        if element and len(value) == 1 and "id" in value:
            issues = [*(issues or ()), Issue(*EMPTY_ELEMENT)]
        return issues

    return check


def empty_object() -> Issue:
    """An object without members."""
    text = "an object must have some content"
    return structure_error(text, "Object_must_have_some_content")


def _not_an_object(value: Any) -> Issue:
    text = f"this property must be an object, not {_kind(value)}"
    return structure_error(text, "This_property_must_be_an_object_not_")


def _kind(value: Any) -> str:
    kinds = {dict: "an Object", list: "an Array", type(None): "a Null"}
    return kinds.get(type(value), "a primitive value")


def single(check: Check, primitive: str, where: str, bounds: Bounds) -> Member:
    """The member for an element that may be there once, an object or a simple value."""
    step, high = bounds.step, bounds.high
    sibling_key = "_" + primitive

    def complex_member(value: Any, _holder: dict[str, Any], context: Context) -> Found:
        context.at = where
        if type(value) is list:
            text = "the property must be an Object, not an Array"
            return [structure_error(text, "This_property_must_be_an_object_not_", step)]
        found = check(value, None, context)
        if high == 0:
            return [*below(found, step), bounds.too_many(1)]
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


def no_extensions(step: str) -> Member:
    """XHTML is a primitive that has neither id nor extensions."""

    def check(value: Any, _holder: dict[str, Any], _context: Context) -> Found:
        if type(value) is not dict:
            return [_not_an_object(value).below(step)]
        text = "unrecognised property '{}'"
        name = "Unrecognised_property_"
        return [structure_error(text.format(k), name, step) for k in value]

    return check


def element_id(member: Member) -> Member:
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


def single_sibling(check: Check, key: str, step: str) -> Member:
    """The member for ``_name`` of a primitive that may be there once."""

    def member(value: Any, holder: dict[str, Any], context: Context) -> Found:
        if type(value) is not dict:
            return [_not_an_object(value).below(step)]
        if not value:
            text = "an object must have some content"
            return [structure_error(text, "Object_must_have_some_content", step)]
        found = check(holder.get(key), value, context)
        return below(found, step) if found else None

    return member


def many(
    check: Check,
    primitive: str,
    where: str,
    bounds: Bounds,
    slices: Slices | None,
) -> Member:
    """The member for an element that JSON holds as an array."""
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
            severity = "warning" if primitive else "error"  # HL7's validator lets these pass
            text = "an array cannot be empty"
            return [Issue(severity, "structure", step, text, "ARRAY_CANNOT_BE_EMPTY")]
        if where:
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


def many_siblings(check: Check, key: str, bounds: Bounds) -> Member:
    """The member for ``_name`` of a primitive that JSON holds as an array."""
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


def only_one(member: Member, others: tuple[str, ...], path: str, profile: str) -> Member:
    """A choice of types: the member, and an issue when another type is there too."""

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


def all_of(checks: tuple[Check, ...]) -> Check:
    """Several checks of one value."""

    def check(value: Any, sibling: Any, context: Context) -> Found:
        issues: Found = None
        for one in checks:
            found = one(value, sibling, context)
            if found:
                issues = issues + found if issues else found
        return issues

    return check


def any_of(checks: tuple[Check, ...], urls: list[str]) -> Check:
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


def resource_check(code: str, profiles: list[str], name: str) -> Check:
    """The check of a resource inside another."""

    def check(value: Any, _sibling: Any, context: Context) -> Found:
        if type(value) is not dict:
            return [_not_an_object(value)]
        if not value:
            return [
                structure_error("an object must have some content", "Object_must_have_some_content")
            ]
        found = context.validator.nested(value, context, name, profiles)
        kind = value.get("resourceType")
        if code not in RESOURCES and kind != code and isinstance(kind, str):
            text = f"the resource must be of type {code}, not {kind}"
            found = [*found, Issue("error", "structure", "", text, "Bundle_BUNDLE_Entry_Type")]
        return found

    return check


def unknown_profile(urls: list[str]) -> Check:
    """The check of a type whose profile no definition is known for."""
    text = f"the profile {', '.join(urls)} is unknown"

    def check(_value: Any, _sibling: Any, _context: Context) -> Found:
        return [Issue("error", "structure", "", text, "Validation_VAL_Unknown_Profile")]

    return check


def unknown_type(code: str) -> Check:
    """The check of a type that no definition is known for."""
    text = f"the type {code} is unknown"

    def check(_value: Any, _sibling: Any, _context: Context) -> Found:
        return [Issue("error", "structure", "", text, "Validation_VAL_NoType")]

    return check
