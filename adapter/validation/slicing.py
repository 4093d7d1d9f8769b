"""Slices of repeating elements: which slice an item belongs to, and how many each may hold.

https://hl7.org/fhir/R4/profiling.html#slicing
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter.validation import fixed
from adapter.validation.context import Check, Context, below
from adapter.validation.elements import Element, type_code
from adapter.validation.issues import Issue

if TYPE_CHECKING:
    from adapter.validation.compiler import Compiler, StructureCompiler

Typed = tuple[str | None, Any]  # the type where a choice tells it, and the value
Getter = Callable[[Typed, Context], list[Typed]]
Match = Callable[[Any, Context], bool]
EXTENSIONS = frozenset({"extension", "modifierExtension"})
STEPS = re.compile(r"\.(?![^(]*\))")
EXTENSION_STEP = re.compile(r"""extension\(['"](.+)['"]\)""")
OF_TYPE = re.compile(r"ofType\((\w+)\)")


@dataclass
class Slice:
    """One slice: its test, its check, and how many items it may hold."""

    element: Element
    match: Match
    check: Check | None
    distinct: bool  # every discriminator has something to go by
    beside_base: bool  # an extension's definition is checked too, not only what the slice says
    inner: Slices | None

    @property
    def name(self) -> str:
        """The slice's name."""
        return self.element.slice_name or ""


@dataclass
class Slices:
    """All slices of an element."""

    step: str
    slices: list[Slice]
    closed: bool
    ordered: bool
    profile: str

    def check(
        self, values: list[Any], base: Check, context: Context, siblings: list[Any] | None
    ) -> list[Issue]:
        """The issues of all items, each checked by its slice or else by ``base``."""
        issues: list[Issue] = []
        counts = [0] * len(self.slices)
        last = -1
        for index, value in enumerate(values):
            where = f"{self.step}[{index}]"
            sibling = siblings[index] if siblings and index < len(siblings) else None
            matching = [n for n, one in enumerate(self.slices) if one.match(value, context)]
            chosen = base
            if not matching:
                if self.closed:
                    issues.append(self._not_a_slice(where))
            else:
                number = matching[0]
                if sum(self.slices[n].distinct for n in matching) > 1:
                    issues.append(self._several(where, matching))
                counts[number] += 1
                chosen = self.slices[number].check or base
                if self.ordered and number < last:
                    issues.append(self._out_of_order(where))
                last = max(last, number)
                if self.slices[number].beside_base and (found := base(value, sibling, context)):
                    issues += below(found, where)
            found = chosen(value, sibling, context)
            if found:
                issues += below(found, where)
        return issues + self._counts(counts) + self._inner(values, context)

    def _slice_of(self, value: Any, context: Context) -> int | None:
        for number, one in enumerate(self.slices):
            if one.match(value, context):
                return number
        return None

    def _inner(self, values: list[Any], context: Context) -> list[Issue]:
        issues: list[Issue] = []
        for one in self.slices:
            if one.inner is None:
                continue
            counts = [0] * len(one.inner.slices)
            for index, value in enumerate(values):
                if not one.match(value, context):
                    continue
                number = one.inner._slice_of(value, context)
                if number is None:
                    if one.inner.closed:
                        issues.append(self._not_a_slice(f"{self.step}[{index}]"))
                    continue
                counts[number] += 1
                check = one.inner.slices[number].check
                found = check(value, None, context) if check else None
                issues += below(found, f"{self.step}[{index}]")
            issues += one.inner._counts(counts)
        return issues

    def _counts(self, counts: list[int]) -> list[Issue]:
        issues = []
        for one, count in zip(self.slices, counts, strict=True):
            if count < one.element.minimum:
                issues.append(too_few(one.element, count, self.profile))
            if count > one.element.maximum:
                text = f"{one.element.id}: max allowed = {one.element.maximum:g}, found {count}"
                name = "Validation_VAL_Profile_Maximum"
                issues.append(Issue("error", "structure", "", text, name, profile=self.profile))
        return issues

    def _not_a_slice(self, where: str) -> Issue:
        text = "this element does not match any known slice and slicing is closed"
        name = "Validation_VAL_Profile_NotSlice"
        return Issue("error", "structure", where, text, name, profile=self.profile)

    def _several(self, where: str, matching: list[int]) -> Issue:
        names = ", ".join(self.slices[number].name for number in matching)
        text = f"this element matches more than one slice: {names}"
        name = "Validation_VAL_Profile_MatchMultiple"
        return Issue("error", "structure", where, text, name, profile=self.profile)

    def _out_of_order(self, where: str) -> Issue:
        text = "this element is out of order in an ordered slicing"
        name = "Validation_VAL_Profile_SliceOrder"
        return Issue("error", "invalid", where, text, name, profile=self.profile)


def too_few(element: Element, count: int, profile: str) -> Issue:
    """A slice that holds fewer items than it must."""
    text = f"slice '{element.id}': minimum required = {element.minimum}, but only found {count}"
    name = "Validation_VAL_Profile_Minimum_SLICE"
    return Issue("error", "structure", "", text, name, profile=profile)


class Slicing:
    """Compiles slicings."""

    def __init__(self, compiler: Compiler):
        self.compiler = compiler

    def of(self, owner: StructureCompiler, element: Element, step: str) -> Slices | None:
        """The slices of an element; None when it has none that can be told apart."""
        stated = element.slicing or {}
        discriminators = stated.get("discriminator", [])
        if not discriminators and element.name in EXTENSIONS:
            discriminators = [{"type": "value", "path": "url"}]
        made = []
        for one in element.slices:
            tests = [self._discriminator(one, each) for each in discriminators]
            match = _together([test for test in tests if test is not None])
            if match is None:
                continue
            inner = self.of(owner, one, step) if one.slices else None
            extension = one.name in EXTENSIONS
            check = self._check(owner, one)
            beside = extension and check is not None and not owner.is_extension
            made.append(Slice(one, match, check, None not in tests, beside, inner))
        if not made:
            return None
        closed = stated.get("rules") == "closed"
        return Slices(step, made, closed, bool(stated.get("ordered")), owner.profile)

    def _check(self, owner: StructureCompiler, element: Element) -> Check | None:
        if element.name not in EXTENSIONS:
            declared = element.types[0] if element.types else {}
            return owner.item(element, declared, element.path)
        return owner.object(element, "Extension") if element.children else None

    def _discriminator(self, element: Element, stated: dict[str, str]) -> Match | None:
        kind, path = stated["type"], stated["path"]
        steps = [] if path == "$this" else [s for s in STEPS.split(path) if s != "$this"]
        getters, target = self._walk(element, steps)
        if target is None:
            return None
        if kind == "exists":
            return _exists(getters, target.maximum != 0)
        if kind == "type":
            return self._type(getters, target)
        if kind == "profile":
            return self._profile(getters, target)
        test = self._criteria(target)
        if test is None:
            if target.maximum == 0:
                return _exists(getters, False)
            return _exists(getters, True) if target.minimum > 0 else None
        return _any(getters, test)

    def _walk(self, element: Element, steps: list[str]) -> tuple[list[Getter], Element | None]:
        getters: list[Getter] = []
        at: Element | None = element
        for step in steps:
            if at is None:
                break
            if step == "resolve()":
                getters.append(_resolve)
                at = self._target(at)
            elif match := EXTENSION_STEP.fullmatch(step):
                getters.append(_extension(match[1]))
                at = self._extension_element(at, match[1])
            elif match := OF_TYPE.fullmatch(step):
                getters.append(_of_type(match[1]))
            else:
                below_it = self._child(at, step)
                getters.append(_step(step, below_it is not None and below_it.name.endswith("[x]")))
                at = below_it
        return getters, at

    def _child(self, element: Element, name: str) -> Element | None:
        if found := element.child(name):
            return _narrowed(found)
        for declared in element.definition.get("type", ()):
            for url in (*declared.get("profile", ()), type_code(declared)):
                structure = self.compiler.definitions.structure(url)
                if structure is not None and (found := self.compiler.tree(structure).child(name)):
                    return _narrowed(found)
        return None

    def _extension_element(self, element: Element, url: str) -> Element | None:
        extension = element.child("extension")
        for one in extension.slices if extension else ():
            if any(url in t.get("profile", ()) for t in one.definition.get("type", ())):
                return one
        structure = self.compiler.definitions.structure(url)
        return self.compiler.tree(structure) if structure else extension

    def _target(self, element: Element) -> Element | None:
        """What a reference leads to, with the types that its target profiles allow."""
        urls = [
            url for t in element.definition.get("type", ()) for url in t.get("targetProfile", ())
        ]
        structures = [s for url in urls if (s := self.compiler.definitions.structure(url))]
        if not structures:
            return None
        root = self.compiler.tree(structures[0])
        types = [
            {"code": s["type"], "profile": [url]} for url, s in zip(urls, structures, strict=False)
        ]
        return Element({**root.definition, "type": types}, root.children, root.slices)

    def _type(self, getters: list[Getter], target: Element) -> Match:
        codes = frozenset(type_code(t) for t in target.definition.get("type", ()))
        if not codes and "." not in target.path:
            codes = frozenset({target.path})

        def match(value: Any, context: Context) -> bool:
            return any(_is(typed, codes) for typed in _get(getters, value, context))

        return match

    def _profile(self, getters: list[Getter], target: Element) -> Match | None:
        urls = [u for t in target.definition.get("type", ()) for u in t.get("profile", ())]
        urls += [u for t in target.definition.get("type", ()) for u in t.get("targetProfile", ())]
        checks = [check for url in urls if (check := self.compiler.structure(url))]
        if not checks:
            return None

        def match(value: Any, context: Context) -> bool:
            return any(
                not any(i.severity in ("error", "fatal") for i in check(one, None, context) or ())
                for _, one in _get(getters, value, context)
                for check in checks
            )

        return match

    def _criteria(self, element: Element) -> fixed.Test | None:
        """What the values at an element must be, from its fixed values, patterns and bindings."""
        if stated := element.value("fixed"):
            return fixed.equals(stated[1])
        if stated := element.value("pattern"):
            return fixed.matches(stated[1])
        inside = []
        for child in element.children:
            test = self._criteria(child)
            if test is not None:
                inside.append((child.name.removesuffix("[x]"), child.name.endswith("[x]"), test))
        if inside:
            return lambda value: all(
                any(test(one) for _, one in _values(value, name, choice))
                for name, choice, test in inside
            )
        binding = element.definition.get("binding", {})
        if binding.get("strength") == "required" and binding.get("valueSet"):
            url = binding["valueSet"]
            terminology = self.compiler.terminology
            return lambda value: terminology.member_of(value, url) is not False
        return None


def _together(tests: list[Match]) -> Match | None:
    if len(tests) < 2:
        return tests[0] if tests else None
    return lambda value, context: all(test(value, context) for test in tests)


def _narrowed(element: Element) -> Element:
    """An element that is constrained through its one slice, or through one that must be there."""
    required = [one for one in element.slices if one.minimum > 0]
    if len(element.slices) == 1 and (element.name.endswith("[x]") or required):
        return element.slices[0]
    return required[0] if len(required) == 1 else element


def _get(getters: list[Getter], value: Any, context: Context) -> list[Typed]:
    found: list[Typed] = [(None, value)]
    for getter in getters:
        found = [typed for one in found for typed in getter(one, context)]
    return found


def _any(getters: list[Getter], test: fixed.Test) -> Match:
    def match(value: Any, context: Context) -> bool:
        return any(test(one) for _, one in _get(getters, value, context))

    return match


def _exists(getters: list[Getter], wanted: bool) -> Match:
    def match(value: Any, context: Context) -> bool:
        return bool(_get(getters, value, context)) is wanted

    return match


def _step(name: str, choice: bool) -> Getter:
    def get(typed: Typed, _context: Context) -> list[Typed]:
        return _values(typed[1], name, choice)

    return get


def _values(value: Any, name: str, choice: bool) -> list[Typed]:
    if not isinstance(value, dict):
        return []
    if not choice:
        held = value.get(name)
        if held is None:
            return []
        return [(None, one) for one in held] if isinstance(held, list) else [(None, held)]
    size = len(name)
    return [
        (key[size:], held)
        for key, held in value.items()
        if key.startswith(name) and key[size : size + 1].isupper()
    ]


def _of_type(code: str) -> Getter:
    def get(typed: Typed, _context: Context) -> list[Typed]:
        return [typed] if _is(typed, frozenset({code})) else []

    return get


def _extension(url: str) -> Getter:
    def get(typed: Typed, _context: Context) -> list[Typed]:
        held = typed[1].get("extension", []) if isinstance(typed[1], dict) else []
        return [(None, e) for e in held if isinstance(e, dict) and e.get("url") == url]

    return get


def _resolve(typed: Typed, context: Context) -> list[Typed]:
    value = typed[1]
    reference = value.get("reference") if isinstance(value, dict) else value
    if not isinstance(reference, str):
        return []
    found = context.scope.resolve(reference, context.root, context.bundle, context.full_url)
    if found is not None:
        return [(found.get("resourceType"), found)]
    kind = re.match(r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]+", reference)
    return [(kind[1], {})] if kind else []


def _is(typed: Typed, codes: frozenset[str]) -> bool:
    kind, value = typed
    if kind is None and isinstance(value, dict):
        kind = value.get("resourceType")
    if kind is None:
        return _looks_like(value, codes)
    return kind in codes or kind[:1].lower() + kind[1:] in codes


def _looks_like(value: Any, codes: frozenset[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in codes
    if isinstance(value, str):
        return any(code[:1].islower() for code in codes)
    if isinstance(value, int | float):
        return not codes.isdisjoint({"integer", "decimal", "positiveInt", "unsignedInt"})
    if "Reference" in codes:
        return "reference" in value
    if "CodeableConcept" in codes:
        return "coding" in value or "text" in value
    return any(code[:1].isupper() for code in codes)
