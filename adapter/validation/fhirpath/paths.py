"""Steps of a path: from an object to its elements.

A step from an object of a known type becomes one look-up of a JSON key. A primitive's id and
extensions stand beside it in JSON, under the key with an underscore; so do they here.
https://hl7.org/fhir/R4/json.html#primitive
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

from adapter.validation.fhirpath.code import NOTHING, Code, single
from adapter.validation.fhirpath.errors import NotEvaluated
from adapter.validation.fhirpath.types import INFO, STRING, Element, Type, Types
from adapter.validation.fhirpath.values import Node, Prim, text


class Paths:
    """Compiles steps with the types of one release."""

    def __init__(self, types: Types, strict: bool):
        self.types = types
        self.strict = strict

    # -- from types that are known while compiling -------------------------------------------------

    def step(self, owner: Code, name: str) -> Code:
        """The elements of that name."""
        kind = owner.type
        if kind is None:
            return self._any_step(owner, name)
        if kind.system:
            return self._of_system(owner, kind, name)
        if kind.category:
            return self._of_primitive(owner, kind, name)
        element = kind.elements.get(name)
        if element is None and kind.abstract:
            return self._any_step(self.free(owner), name)
        if element is None and name in kind.keys and not self.strict:
            element = kind.keys[name]
            element = Element(name, element.many, {name: element.choices[name]})
        if element is None:
            return self._nowhere(kind, name)
        if len(element.choices) > 1:
            return self._choice(owner, element)
        ((key, code),) = element.choices.items()
        return self.at_key(owner, key, code, element.many)

    def _of_system(self, owner: Code, kind: Type, name: str) -> Code:
        if kind is not INFO or name not in ("name", "namespace"):
            return self._nowhere(kind, name)
        items = owner.items
        return Code(lambda v, r: [getattr(item, name) for item in items(v, r)], STRING)

    def _nowhere(self, kind: Type, name: str) -> Code:
        if self.strict:
            raise NotEvaluated(f"{kind.name} has no element {name}")
        return single(lambda _v, _r: None, None, constant=True)

    def at_key(self, owner: Code, key: str, code: str, many: bool) -> Code:
        """What stands under a JSON key, all of one type."""
        target = self.types.needed(code)
        primitive = bool(target.category)
        if many or owner.one is None:
            return Code(_all(owner, key, primitive, many), target)
        if owner.focus:
            return single(_from_focus(key, primitive), target)
        one = owner.one
        pick = _picker(key, primitive)

        def get(v: Any, r: Any) -> Any:
            value = one(v, r)
            return None if value is None else pick(value)

        return single(get, target)

    def _choice(self, owner: Code, element: Element) -> Code:
        typed = [(key, f"_{key}", code) for key, code in element.choices.items()]
        needed = self.types.needed
        keys = frozenset(k for key, under, _ in typed for k in (key, under))

        def nodes(value: Any) -> list[Any]:
            if keys.isdisjoint(value):
                return NOTHING
            found: list[Any] = []
            for key, under, code in typed:
                held, sibling = value.get(key), value.get(under)
                if held is not None or sibling is not None:
                    found += _nodes(held, sibling, needed(code))
            return found

        if owner.one is None or element.many:
            items = owner.items
            return Code(
                lambda v, r: [node for value in items(v, r) for node in nodes(value)],
                None,
                choice=(owner, element),
            )
        one = owner.one

        def choose(v: Any, r: Any) -> Any:
            value = one(v, r)
            if value is None:
                return None
            found = nodes(value)
            return found[0] if found else None

        return single(choose, None, choice=(owner, element))

    def _of_primitive(self, owner: Code, kind: Type, name: str) -> Code:
        if name == "value":
            items = owner.items
            return Code(
                lambda v, r: [t for item in items(v, r) if (t := text(item)) is not None],
                self.types.needed("string"),
            )
        if name not in ("id", "extension"):
            return self._nowhere(kind, name)
        items = owner.items
        siblings = Code(
            lambda v, r: [
                item.sibling
                for item in items(v, r)
                if type(item) is Prim and item.sibling is not None
            ],
            self.types.needed("Element"),
        )
        return self.step(siblings, name)

    # -- from types that are known while running only ----------------------------------------------

    def free(self, code: Code) -> Code:
        """The same items, each carrying its type."""
        kind = code.type
        if kind is None or kind.system:
            return code if kind is None else Code(code.items, None, code.one, code.constant)
        wrap = self.wrapper(kind)
        items, one = code.items, code.one
        if one is not None:
            only = one

            def carry(v: Any, r: Any) -> Any:
                found = only(v, r)
                return None if found is None else wrap(found)

            return single(carry, None, ordered=code.ordered)
        return Code(lambda v, r: [wrap(item) for item in items(v, r)], None, ordered=code.ordered)

    def wrapper(self, kind: Type) -> Callable[[Any], Node]:
        """What makes a node of JSON that is known to be of a type."""
        needed = self.types.needed

        def wrap(item: Any) -> Node:
            if type(item) is Prim:
                return Node(item.value, kind, item.sibling)
            if kind.resource and "resourceType" in item:
                return Node(item, needed(item["resourceType"]))
            return Node(item, kind)

        return wrap

    def _any_step(self, owner: Code, name: str) -> Code:
        children = self.children_named
        items, one = owner.items, owner.one
        if name and one is not None:
            only = one

            def of_one(v: Any, r: Any) -> list[Any]:
                found = only(v, r)
                return children(found, name) if type(found) is Node else NOTHING

            return Code(of_one, None)
        return Code(
            lambda v, r: [
                child
                for item in items(v, r)
                if type(item) is Node
                for child in children(item, name)
            ],
            None,
        )

    def children_named(self, node: Node, name: str) -> list[Any]:
        """A node's elements of one name."""
        kind, value = node.type, node.value
        if kind.category:
            if name == "value":
                held = text(node)
                return NOTHING if held is None else [Node(held, self.types.needed("string"))]
            value, kind = node.sibling, self.types.needed("Element")
        if type(value) is not dict:
            return NOTHING
        element = kind.elements.get(name)
        needed = self.types.needed
        if element is None:
            if name in kind.keys:
                code = kind.keys[name].choices[name]
                return _nodes(value.get(name), value.get(f"_{name}"), needed(code))
            return NOTHING if kind.elements else self._guess(value, name)
        found: list[Any] = []
        for key, code in element.choices.items():
            held, sibling = value.get(key), value.get(f"_{key}")
            if held is not None or sibling is not None:
                found += _nodes(held, sibling, needed(code), self.types)
        return found

    def _guess(self, value: dict[str, Any], name: str) -> list[Any]:
        held = value.get(name)
        return NOTHING if held is None else _nodes(held, None, self.types.needed("Element"))

    def children(self, node: Any) -> list[Any]:
        """All elements of a node, in the order of the JSON."""
        if type(node) is not Node:
            return NOTHING
        kind = node.type
        if kind.category:
            value, kind = node.sibling, self.types.needed("Element")
        else:
            value = node.value
        if type(value) is not dict:
            return NOTHING
        found: list[Any] = []
        needed = self.types.needed
        for key, code in _present(value, kind):
            found += _nodes(value.get(key), value.get(f"_{key}"), needed(code), self.types)
        return found

    def descendants(self, nodes: list[Any]) -> list[Any]:
        """All elements below the nodes, level by level."""
        found: list[Any] = []
        level = nodes
        while level:
            level = [child for node in level for child in self.children(node)]
            found += level
        return found


def _present(value: dict[str, Any], kind: Type) -> Iterator[tuple[str, str]]:
    for key in value:
        name = key
        if key[:1] == "_":
            name = key[1:]
            if name in value:
                continue
        if name in kind.keys:
            yield name, kind.keys[name].choices[name]
        elif key != "resourceType":
            yield name, "Element"


def _nodes(held: Any, sibling: Any, kind: Type, types: Types | None = None) -> list[Any]:
    if type(held) is list or type(sibling) is list:
        return [
            Node(one, _actual(one, kind, types), beside)
            for one, beside in zip_longest(held or (), sibling or ())
            if one is not None or beside is not None
        ]
    return [Node(held, _actual(held, kind, types), sibling)]


def _actual(held: Any, kind: Type, types: Types | None) -> Type:
    if types is not None and kind.resource and type(held) is dict:
        return types.needed(held.get("resourceType", kind.name))
    return kind


def _from_focus(key: str, primitive: bool) -> Callable[[Any, Any], Any]:
    if not primitive:
        return lambda v, _r: v.get(key)
    under = f"_{key}"

    def get(v: Any, _r: Any) -> Any:
        if under in v:
            return _beside(v.get(key), v[under])
        return v.get(key)

    return get


def _beside(value: Any, sibling: Any) -> Any:
    return value if sibling is None else Prim(value, sibling)


def _picker(key: str, primitive: bool) -> Callable[[Any], Any]:
    """The element of an object that has at most one."""
    if not primitive:
        return lambda value: value.get(key)
    under = f"_{key}"

    def pick(value: Any) -> Any:
        if under in value:
            return _beside(value.get(key), value[under])
        return value.get(key)

    return pick


def _lister(key: str, primitive: bool) -> Callable[[Any], list[Any]]:
    """The elements of an object that may have many."""
    if not primitive:
        return lambda value: value.get(key) or NOTHING
    under = f"_{key}"

    def read(value: Any) -> list[Any]:
        held: list[Any] = value.get(key) or NOTHING
        if under not in value:
            return [one for one in held if one is not None] if None in held else held
        return [
            _beside(one, beside)
            for one, beside in zip_longest(held, value[under] or ())
            if one is not None or beside is not None
        ]

    return read


def _all(owner: Code, key: str, primitive: bool, many: bool) -> Callable[[Any, Any], list[Any]]:
    items = owner.items
    if not many:
        pick = _picker(key, primitive)
        if not primitive:
            return lambda v, r: [x for o in items(v, r) if (x := o.get(key)) is not None]
        return lambda v, r: [x for o in items(v, r) if (x := pick(o)) is not None]
    read = _lister(key, primitive)
    if owner.focus:
        return lambda v, _r: read(v)
    if owner.one is not None:
        only = owner.one

        def of_one(v: Any, r: Any) -> list[Any]:
            value = only(v, r)
            return NOTHING if value is None else read(value)

        return of_one
    return lambda v, r: [found for value in items(v, r) for found in read(value)]
