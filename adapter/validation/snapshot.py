"""Makes the snapshot of a profile that is given as a differential.

https://hl7.org/fhir/R4/profiling.html#snapshot: the base's elements, narrowed by what the
differential says of them; slices are copies of the element they slice, and an element that the
differential reaches into takes its children from its type.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

from adapter.errors import ConfigurationError
from adapter.validation.elements import Element, tree, type_code

Resource = dict[str, Any]
Resolve = Callable[[str], Resource | None]
STEP = re.compile(r"(?P<name>[^:]+)(?::(?P<slice>.+))?")
OWN = ("id", "path", "sliceName", "slicing", "base")
EXTENSIONS = frozenset({"extension", "modifierExtension"})
DEEPEST = 64  # steps of a path, and slices within slices: real profiles stay below ten
# What must be of a certain kind, lest reading it fails; values such as fixed[x] may be anything.
SHAPES: dict[str, dict[str, type]] = {
    "element": {
        **dict.fromkeys(("id", "path", "sliceName", "max", "contentReference"), str),
        **dict.fromkeys(("type", "constraint", "extension"), list),
        **dict.fromkeys(("slicing", "binding"), dict),
        "min": int,
    },
    "type": {"code": str, "profile": list, "targetProfile": list, "extension": list},
    "constraint": {"key": str},
    "slicing": {"discriminator": list},
    "discriminator": {"type": str, "path": str},
    "binding": {"strength": str, "valueSet": str},
    "extension": {"url": str, "valueUrl": str, "valueUri": str},
}
CANONICALS = frozenset({"profile", "targetProfile"})
CARDINALITY = re.compile(r"\*|[0-9]{1,9}")


class SnapshotError(ConfigurationError):
    """A differential that no snapshot can be made of."""


def generate(profile: Resource, resolve: Resolve) -> list[dict[str, Any]]:
    """The ``snapshot.element`` of a StructureDefinition; ``resolve`` gives definitions with one.

    Raises SnapshotError naming the profile, and the element, that cannot be made sense of.
    """
    return Generator(profile, resolve).run()


class Generator:
    """Applies one differential to its base."""

    def __init__(self, profile: Resource, resolve: Resolve):
        self.profile, self.resolve = profile, resolve
        self.url = str(profile.get("url"))
        self.type = str(profile.get("type")).rsplit("/", 1)[-1]

    def run(self) -> list[dict[str, Any]]:
        """The elements in snapshot order, with their ids and paths."""
        root = self._base()
        for definition, steps in self._differential():
            element = self._find(root, steps, definition)
            self._narrow(element, definition)
        return list(_flat(root, self.type, self.type))

    def _base(self) -> Element:
        url = self.profile.get("baseDefinition")
        if not url:
            return Element({"id": self.type, "path": self.type, "min": 0, "max": "*"})
        base = self.resolve(url) if isinstance(url, str) else None
        if base is None:
            raise self._error(f"its base {url} is unknown: give its package")
        return copy.deepcopy(self._tree(base))

    def _tree(self, structure: Resource) -> Element:
        """A resolved structure as a tree; a user's own snapshot may be of any shape."""
        snapshot = structure.get("snapshot")
        elements = snapshot.get("element") if isinstance(snapshot, dict) else None
        if not isinstance(elements, list) or not elements:
            raise self._error(f"{structure.get('url')} has no elements")
        for number, definition in enumerate(elements):
            self._check_shape(definition, number)
        return tree(structure)

    def _check_shape(self, definition: object, number: int) -> None:
        fault = _misshapen(definition, "element") or _misplaced(definition)
        if fault:
            path = definition.get("path") if isinstance(definition, dict) else None
            name = path[:100] if isinstance(path, str) else f"number {number + 1}"
            raise self._error(f"the element {name}: {fault}")

    def _differential(self) -> Iterator[tuple[dict[str, Any], list[str]]]:
        """Each element of the differential with the steps of its id below the root."""
        slices: dict[str, str] = {}
        differential = self.profile.get("differential") or {}
        elements = differential.get("element", []) if isinstance(differential, dict) else None
        if not isinstance(elements, list):
            raise self._error("its differential is not a list of elements")
        for number, definition in enumerate(elements):
            self._check_shape(definition, number)
            given = definition.get("id")
            steps = given.split(".") if _fits(given, definition) else _derived(definition, slices)
            yield definition, steps[1:]

    def _find(self, root: Element, steps: list[str], definition: dict[str, Any]) -> Element:
        at = root
        for number, step in enumerate(steps):
            match = STEP.fullmatch(step)
            if match is None:
                raise self._error(f"the element {definition['path']} cannot be read")
            last = number == len(steps) - 1
            at = self._child(at, match["name"], match["slice"], definition if last else {})
        return at

    def _child(
        self, parent: Element, name: str, slice_name: str | None, definition: dict[str, Any]
    ) -> Element:
        found = _named(parent, name)
        if found is None and not parent.children:
            self._unfold(parent)
            found = _named(parent, name)
        if found is None:
            found, slice_name = self._shorthand(parent, name, slice_name)
        if found is None:
            if self.profile.get("derivation") == "constraint":
                raise self._error(f"{parent.path} has no element {name}")
            found = Element({"path": f"{parent.path}.{name}", "min": 0, "max": "*"})
            parent.children.append(found)
        if slice_name is None:
            return found
        return self._slice(found, slice_name, definition)

    def _shorthand(
        self, parent: Element, name: str, slice_name: str | None
    ) -> tuple[Element | None, str | None]:
        """``valueQuantity`` for the slice of ``value[x]`` that is a Quantity."""
        for one in parent.children:
            if not one.name.endswith("[x]"):
                continue
            stem = one.name.removesuffix("[x]")
            kind = name.removeprefix(stem)
            codes = {type_code(t): t for t in one.definition.get("type", ())}
            for code, declared in codes.items():
                if name.startswith(stem) and code[:1].upper() + code[1:] == kind:
                    if len(codes) == 1 and not one.slices and not slice_name:
                        return one, None  # nothing to tell apart: the choice itself is meant
                    self._slice(one, slice_name or name, {}).definition["type"] = [declared]
                    return one, slice_name or name
        return None, slice_name

    def _slice(self, element: Element, name: str, definition: dict[str, Any]) -> Element:
        outer, _, _ = name.rpartition("/")
        owner = self._slice(element, outer, {}) if outer else element
        for one in (*element.slices, *owner.slices):
            if one.slice_name == name:
                return one
        made = copy.deepcopy(owner)
        made.slices = []
        made.definition.pop("slicing", None)
        made.definition.update({"sliceName": name, "min": 0})
        vars(made).pop("minimum", None)
        vars(made).pop("maximum", None)
        if element.name.endswith("[x]"):
            self._slice_by_type(element, made, name, definition)
        elif element.name in EXTENSIONS and "max" not in definition:
            self._limit_extension(made, definition)
        owner.slices.append(made)
        return made

    def _slice_by_type(
        self, element: Element, made: Element, name: str, definition: dict[str, Any]
    ) -> None:
        stem = element.name.removesuffix("[x]")
        kind = name.removeprefix(stem)
        for declared in element.definition.get("type", ()):
            code = type_code(declared)
            if code[:1].upper() + code[1:] == kind and "type" not in definition:
                made.definition["type"] = [declared]
        by_type = {"discriminator": [{"type": "type", "path": "$this"}], "rules": "open"}
        element.definition.setdefault("slicing", by_type)

    def _limit_extension(self, made: Element, definition: dict[str, Any]) -> None:
        """An extension may be there as often as its own definition says."""
        types = definition.get("type", ())
        urls = [url for declared in types for url in declared.get("profile", ())]
        try:
            structure = self.resolve(urls[0]) if len(urls) == 1 else None
            root = self._tree(structure) if structure else None
        except (
            SnapshotError
        ):  # extensions may hold each other; a broken one is told when it is used
            return
        if root is not None and root.maximum < made.maximum:
            made.definition["max"] = root.definition["max"]

    def _unfold(self, element: Element) -> None:
        """Gives an element the children of its type, or of the element that it repeats."""
        reference = element.definition.get("contentReference")
        if reference:
            source = self._referred(reference)
        else:
            types = element.definition.get("type", ())
            source = self._typed(types) if types else None
        if source is None:
            return
        element.children = [copy.deepcopy(child) for child in source.children]

    def _typed(self, types: list[dict[str, Any]]) -> Element | None:
        codes = {type_code(declared) for declared in types}
        urls = [url for declared in types for url in declared.get("profile", ())]
        wanted = urls[0] if len(codes) == 1 and len(urls) == 1 else None
        structure = self.resolve(wanted) if wanted else None
        if structure is None:
            structure = self.resolve(codes.pop() if len(codes) == 1 else "Element")
        return self._tree(structure) if structure else None

    def _referred(self, reference: str) -> Element | None:
        url, _, path = reference.partition("#")
        structure = self.resolve(url or path.split(".")[0])
        if structure is None:
            raise self._error(f"the content reference {reference} leads nowhere")
        return next((e for e in self._tree(structure).walk() if path in (e.id, e.path)), None)

    def _narrow(self, element: Element, definition: dict[str, Any]) -> None:
        own = element.definition
        before = {type_code(t) for t in own.get("type", ())}
        for key, value in definition.items():
            if key in OWN and key != "slicing":
                continue
            if key == "constraint":
                held = own.get("constraint", [])
                keys = {c.get("key") for c in value}
                kept = [c for c in held if c.get("key") not in keys]
                own["constraint"] = kept + [{"source": self.url, **c} for c in value]
            elif key == "slicing":
                own["slicing"] = {**own.get("slicing", {}), **value}
            elif key == "binding":
                own["binding"] = {**own.get("binding", {}), **value}
            elif key == "extension":
                own["extension"] = own.get("extension", []) + value
            else:
                own[key] = copy.deepcopy(value)
        if "type" in definition:
            if not {type_code(t) for t in definition["type"]} <= {"BackboneElement", "Element"}:
                own.pop("contentReference", None)
            self._retype(element, before)
        for name in ("minimum", "maximum", "types", "repeats", "name"):
            vars(element).pop(name, None)

    def _retype(self, element: Element, before: set[str]) -> None:
        after = {type_code(t) for t in element.definition.get("type", ())}
        for one in element.slices:
            one.definition["type"] = [
                t for t in one.definition.get("type", ()) if type_code(t) in after
            ] or element.definition["type"]
        if before and before != after and element.children and not before & after:
            element.children = []

    def _error(self, text: str) -> SnapshotError:
        return SnapshotError(f"the profile {self.url} has no snapshot and none can be made: {text}")


def _misshapen(part: object, kind: str) -> str | None:
    """What of an element definition, or of a part of one, is not as FHIR has it."""
    if not isinstance(part, dict):
        return f"its {kind} is not an object"
    if kind == "extension" and "url" not in part:
        return "an extension of it has no url"
    if not CARDINALITY.fullmatch(str(part.get("max", "*"))):
        return "its max is neither a number nor *"
    for name, shape in SHAPES[kind].items():
        if name in part and (fault := _misfit(name, part[name], shape)):
            return fault
    return None


def _misplaced(definition: object) -> str | None:
    if not isinstance(definition, dict) or not definition.get("path"):
        return "it has no path"
    depths = (definition["path"].count("."), definition.get("id", "").count("/"))
    if max(*depths, definition.get("sliceName", "").count("/")) > DEEPEST:
        return f"it is deeper than {DEEPEST} steps"
    return None


def _misfit(name: str, value: object, shape: type) -> str | None:
    if type(value) is not shape:
        return f"its {name} is not of the kind it must be"
    if isinstance(value, dict):
        return _misshapen(value, name)
    if not isinstance(value, list):
        return None
    if name in CANONICALS:
        return None if all(isinstance(one, str) for one in value) else f"its {name} is no URL"
    return next((fault for one in value if (fault := _misshapen(one, name))), None)


def _fits(given: object, definition: dict[str, Any]) -> bool:
    """Whether an id says the same as the path: hand-made ones often do not."""
    if not isinstance(given, str):
        return False
    names = [step.partition(":")[0] for step in given.split(".")]
    path = definition["path"].split(".")
    named = not definition.get("sliceName") or ":" in given.rsplit(".", 1)[-1]
    return named and len(names) == len(path) and names[1:] == path[1:]


def _derived(definition: dict[str, Any], slices: dict[str, str]) -> list[str]:
    """An id's steps from the path, within the slices that were opened before."""
    path: str = definition["path"]
    name: str | None = definition.get("sliceName")
    for opened in [one for one in slices if one == path or one.startswith(path + ".")]:
        del slices[opened]
    if name:
        slices[path] = name
    parts = path.split(".")
    steps = []
    for number, part in enumerate(parts):
        held = slices.get(".".join(parts[: number + 1]))
        steps.append(f"{part}:{held}" if held else part)
    return steps


def _named(parent: Element, name: str) -> Element | None:
    return next((one for one in parent.children if one.name == name), None)


def _flat(element: Element, path: str, given: str) -> Iterator[dict[str, Any]]:
    """The element, all below it, and then its slices, with ids and paths as they now stand."""
    yield {**element.definition, "id": given, "path": path}
    for child in element.children:
        yield from _flat(child, f"{path}.{child.name}", f"{given}.{child.name}")
    for one in element.slices:
        plain = given.rsplit(":", 1)[0] if ":" in given.rsplit(".", 1)[-1] else given
        yield from _flat(one, path, f"{plain}:{one.slice_name}")
