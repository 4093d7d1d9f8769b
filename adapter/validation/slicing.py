"""Slices of repeating elements: which slice an item belongs to, and how many each may hold.

https://hl7.org/fhir/R4/profiling.html#slicing
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter.validation import fixed
from adapter.validation.context import Check, Context, Found, below
from adapter.validation.elements import Element, type_code
from adapter.validation.issues import Issue

if TYPE_CHECKING:
    from adapter.validation.compiler import Compiler, StructureCompiler

Match = Callable[[Any, Context], bool]
# (the type where a choice tells it, the value, context) -> whether one of the values it leads to
# is what is sought
Visit = Callable[[str | None, Any, Context], bool]
Step = Callable[[Visit], Visit]  # one step of a discriminator's path, before what follows it
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

    def __post_init__(self) -> None:
        self._matches = [one.match for one in self.slices]
        self._nested = [one for one in self.slices if one.inner is not None]
        self._bounds = [(one.element.minimum, one.element.maximum) for one in self.slices]

    def check(
        self, values: list[Any], base: Check, context: Context, siblings: list[Any] | None
    ) -> Found:
        """The issues of all items, each checked by its slice or else by ``base``."""
        issues: list[Issue] = []
        counts = [0] * len(self.slices)
        last = -1
        for index, value in enumerate(values):
            sibling = siblings[index] if siblings and index < len(siblings) else None
            matching = [n for n, match in enumerate(self._matches) if match(value, context)]
            chosen = base
            if matching:
                number = matching[0]
                one = self.slices[number]
                if len(matching) > 1 and sum(self.slices[n].distinct for n in matching) > 1:
                    issues.append(self._several(f"{self.step}[{index}]", matching))
                counts[number] += 1
                chosen = one.check or base
                if self.ordered and number < last:
                    issues.append(self._out_of_order(f"{self.step}[{index}]"))
                last = max(last, number)
                if one.beside_base and (found := base(value, sibling, context)):
                    issues += below(found, f"{self.step}[{index}]")
            elif self.closed:
                issues.append(self._not_a_slice(f"{self.step}[{index}]"))
            found = chosen(value, sibling, context)
            if found:
                issues += below(found, f"{self.step}[{index}]")
        for count, (low, high) in zip(counts, self._bounds, strict=True):
            if not low <= count <= high:
                issues += self._counts(counts)
                break
        return issues + self._inner(values, context) if self._nested else issues

    def _slice_of(self, value: Any, context: Context) -> int | None:
        for number, one in enumerate(self.slices):
            if one.match(value, context):
                return number
        return None

    def _inner(self, values: list[Any], context: Context) -> list[Issue]:
        issues: list[Issue] = []
        for one in self._nested:
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
        if path == "url" and (match := _extension_named(element)):
            return match
        names = [] if path == "$this" else [s for s in STEPS.split(path) if s != "$this"]
        steps, target = self._walk(element, names)
        if target is None:
            return None
        if kind == "exists":
            return _exists(steps, target.maximum != 0)
        if kind == "type":
            return _leading(steps, self._type(target))
        if kind == "profile":
            conforms = self._profile(target)
            return _leading(steps, conforms) if conforms else None
        test = self._criteria(target)
        if test is None:
            if target.maximum == 0:
                return _exists(steps, False)
            return _exists(steps, True) if target.minimum > 0 else None
        return _leading(steps, lambda _kind, value, _context: test(value))

    def _walk(self, element: Element, names: list[str]) -> tuple[list[Step], Element | None]:
        steps: list[Step] = []
        at: Element | None = element
        for name in names:
            if at is None:
                break
            if name == "resolve()":
                steps.append(_resolve)
                at = self._target(at)
            elif match := EXTENSION_STEP.fullmatch(name):
                steps.append(_extension(match[1]))
                at = self._extension_element(at, match[1])
            elif match := OF_TYPE.fullmatch(name):
                steps.append(_of_type(match[1]))
            else:
                below_it = self._child(at, name)
                choice = below_it is not None and below_it.name.endswith("[x]")
                steps.append(_step(name, choice))
                at = below_it
        return steps, at

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

    def _type(self, target: Element) -> Visit:
        codes = frozenset(type_code(t) for t in target.definition.get("type", ()))
        if not codes and "." not in target.path:
            codes = frozenset({target.path})
        return lambda kind, value, _context: _is(kind, value, codes)

    def _profile(self, target: Element) -> Visit | None:
        urls = [u for t in target.definition.get("type", ()) for u in t.get("profile", ())]
        urls += [u for t in target.definition.get("type", ()) for u in t.get("targetProfile", ())]
        checks = [check for url in urls if (check := self.compiler.structure(url))]
        if not checks:
            return None
        return lambda _kind, value, context: any(
            not any(i.severity in ("error", "fatal") for i in check(value, None, context) or ())
            for check in checks
        )

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
                inside.append(_member(child, test))
        if inside:
            return inside[0] if len(inside) == 1 else lambda value: all(t(value) for t in inside)
        binding = element.definition.get("binding", {})
        if binding.get("strength") == "required" and binding.get("valueSet"):
            url = binding["valueSet"]
            terminology = self.compiler.terminology
            return lambda value: terminology.member_of(value, url) is not False
        return None


def _extension_named(element: Element) -> Match | None:
    """The test of an extension by the definition that its slice names, known or not."""
    urls = {
        url.partition("|")[0]
        for t in element.definition.get("type", ())
        for url in t.get("profile", ())
    }
    if element.name not in EXTENSIONS or not urls:
        return None
    return lambda value, _context: type(value) is dict and value.get("url") in urls


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


def _leading(steps: list[Step], end: Visit) -> Match:
    """The test of a value: whether its path leads to a value that the end accepts."""
    visit = end
    for step in reversed(steps):
        visit = step(visit)
    return lambda value, context: visit(None, value, context)


def _exists(steps: list[Step], wanted: bool) -> Match:
    found = _leading(steps, lambda _kind, _value, _context: True)
    return found if wanted else lambda value, context: not found(value, context)


def _member(element: Element, test: fixed.Test) -> fixed.Test:
    """The test of an object by one of its members."""
    visit = _step(element.name.removesuffix("[x]"), element.name.endswith("[x]"))(
        lambda _kind, value, _context: test(value)
    )
    return lambda value: visit(None, value, None)  # type: ignore[arg-type]  # it asks no context


def _step(name: str, choice: bool) -> Step:
    return _choice_step(name) if choice else _plain_step(name)


def _plain_step(name: str) -> Step:
    def before(then: Visit) -> Visit:
        def visit(_kind: str | None, value: Any, context: Context) -> bool:
            held = value.get(name) if type(value) is dict else None
            if held is None:
                return False
            if type(held) is not list:
                return then(None, held, context)
            for one in held:  # noqa: SIM110  any() of a generator takes twice as long
                if then(None, one, context):
                    return True
            return False

        return visit

    return before


def _choice_step(name: str) -> Step:
    size = len(name)

    def before(then: Visit) -> Visit:
        def visit(_kind: str | None, value: Any, context: Context) -> bool:
            return type(value) is dict and any(
                then(key[size:], held, context)
                for key, held in value.items()
                if key.startswith(name) and key[size : size + 1].isupper()
            )

        return visit

    return before


def _of_type(code: str) -> Step:
    codes = frozenset({code})

    def before(then: Visit) -> Visit:
        return lambda kind, value, context: _is(kind, value, codes) and then(kind, value, context)

    return before


def _extension(url: str) -> Step:
    def before(then: Visit) -> Visit:
        def visit(_kind: str | None, value: Any, context: Context) -> bool:
            held = value.get("extension", []) if isinstance(value, dict) else []
            return any(
                then(None, e, context) for e in held if isinstance(e, dict) and e.get("url") == url
            )

        return visit

    return before


def _resolve(then: Visit) -> Visit:
    def visit(_kind: str | None, value: Any, context: Context) -> bool:
        reference = value.get("reference") if isinstance(value, dict) else value
        if not isinstance(reference, str):
            return False
        found = context.resolve(reference)
        if found is not None:
            return then(found.get("resourceType"), found, context)
        named = re.match(r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]+", reference)
        return named is not None and then(named[1], {}, context)

    return visit


def _is(kind: str | None, value: Any, codes: frozenset[str]) -> bool:
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
