"""The element definitions that govern a place in a resource: of its profiles, then of FHIR."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapter.validation.definitions import CORE, Definitions
from adapter.validation.elements import Element
from adapter.validation.elements import tree as tree_of

STEP = re.compile(r"(\w+)(?:\[(\d+)\])?")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a StructureDefinition says of an element."""

    profile: str
    element: str
    minimum: int
    maximum: str
    types: tuple[str, ...]
    strength: str | None = None
    value_set: str | None = None

    def __str__(self) -> str:
        bound = f", {self.strength} binding to {self.value_set}" if self.strength else ""
        return f"{self.profile}#{self.element} {self.minimum}..{self.maximum}{bound}"

    @property
    def binding(self) -> dict[str, Any] | None:
        """Strength and value set, where codes are bound."""
        return {"strength": self.strength, "valueSet": self.value_set} if self.strength else None

    def to_json(self) -> dict[str, Any]:
        """The rule as ``explain --format json`` prints it."""
        return {
            "profile": self.profile,
            "element": self.element,
            "min": self.minimum,
            "max": self.maximum,
            "types": list(self.types),
            "binding": self.binding,
        }


Steps = list[tuple[str, int | None]]


class Rules:
    """Looks up rules in the definitions of a release; each snapshot is read once."""

    def __init__(self, definitions: Definitions):
        self._definitions = definitions
        self._trees: dict[str, tuple[dict[str, Any], Element] | None] = {}

    def of(self, resource: dict[str, Any], path: str) -> list[Rule]:
        """The rules for a place: of each profile the resource claims, its type, its datatype.

        A profile or type says something of the deepest element that its own snapshot reaches; what
        is below that belongs to the datatype.
        """
        claimed = resource.get("meta", {}).get("profile", [])
        steps = [(name, int(at) if at else None) for name, at in STEP.findall(path)]
        found: list[Rule] = []
        for canonical in (*claimed, CORE + resource["resourceType"]):
            if held := self._held(canonical):
                structure, root = held
                element, value, rest = _reach(root, resource, steps)
                found.append(_rule(structure, element))
        found += self._below(element, value, steps, len(steps) - len(rest))
        return list(dict.fromkeys(found))

    def _held(self, canonical: str) -> tuple[dict[str, Any], Element] | None:
        if canonical not in self._trees:
            structure = self._definitions.structure(canonical)
            self._trees[canonical] = (structure, tree_of(structure)) if structure else None
        return self._trees[canonical]

    def _below(self, element: Element, value: Any, steps: Steps, done: int) -> Iterator[Rule]:
        """What the datatypes say of the steps that no profile reaches."""
        while done < len(steps):
            kind = _type_of(element, value, steps[done - 1][0] if done else "")
            held = self._held(kind) if kind else None
            if held is None:
                return
            structure, root = held
            element, value, rest = _reach(root, value, steps[done:])
            if len(rest) == len(steps) - done:
                return
            done = len(steps) - len(rest)
            if not rest:
                yield _rule(structure, element)


def _reach(root: Element, value: Any, steps: Steps) -> tuple[Element, Any, Steps]:
    """The deepest element of a snapshot on the way, its value, and the steps that are left."""
    here, element = root, root
    for done, (name, at) in enumerate(steps):
        hit = _child(element, name, root)
        if hit is None:
            return here, value, steps[done:]
        value = value[name] if at is None else value[name][at]
        element = here = _slice(hit, value)
    return here, value, []


def _child(element: Element, name: str, root: Element) -> Element | None:
    """The element below; ``contentReference`` leads to where its children are written."""
    if not element.children and (reference := element.definition.get("contentReference")):
        wanted = reference.partition("#")[2]
        element = next((one for one in root.walk() if one.id == wanted), element)
    for one in element.children:
        stem = one.name.removesuffix("[x]")
        types = {each["code"][:1].upper() + each["code"][1:] for each in one.types}
        if one.name == name or (one.name.endswith("[x]") and name.removeprefix(stem) in types):
            return one
    return None


def _slice(element: Element, value: Any) -> Element:
    """The slice that the value is in, by the values its definition fixes; else the element."""
    for one in element.slices:
        fixed = [(e, e.value("pattern") or e.value("fixed")) for e in one.walk()]
        stated = [(e.id.removeprefix(one.id).strip("."), v[1]) for e, v in fixed if v]
        if stated and all(_holds(value, path.split(".") if path else [], v) for path, v in stated):
            return one
    return element


def _holds(value: Any, path: list[str], wanted: Any) -> bool:
    if isinstance(value, list):
        return any(_holds(each, path, wanted) for each in value)
    if path:
        return isinstance(value, dict) and _holds(value.get(path[0]), path[1:], wanted)
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            _holds(value.get(name), [], each) for name, each in wanted.items()
        )
    if isinstance(wanted, list):
        return all(_holds(value, [], each) for each in wanted)
    return bool(value == wanted)


def _type_of(element: Element, value: Any, name: str) -> str | None:
    """The definition that goes on below: an extension's own, a resource's, a datatype's."""
    if isinstance(value, dict) and element.name.endswith("xtension") and "url" in value:
        return str(value["url"])
    if isinstance(value, dict) and "resourceType" in value:
        return str(value["resourceType"])
    codes = [str(each["code"]) for each in element.types]
    chosen = name.removeprefix(element.name.removesuffix("[x]")).lower()
    return next((code for code in codes if len(codes) == 1 or code.lower() == chosen), None)


def _rule(structure: dict[str, Any], element: Element) -> Rule:
    binding = element.definition.get("binding", {})
    return Rule(
        profile=structure["url"],
        element=element.id,
        minimum=element.minimum,
        maximum=element.definition.get("max", "*"),
        types=tuple(each["code"] for each in element.types),
        strength=binding.get("strength"),
        value_set=binding.get("valueSet"),
    )
