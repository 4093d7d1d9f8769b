"""What decides an element: one value is changed at a time, all is mapped again, and compared.

So the answer is true whatever a mapping does inside, and no mapping says anything for it.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from adapter.errors import StudyFhirError
from adapter.explain.variants import MARK, NUMBERED, Leaf, MarkedTable, leaves, numbered, others
from mappings import Context, Resource
from mappings.entities import Key

Whole: TypeAlias = Any  # entities, a registration, settings: whatever is mapped
Elements: TypeAlias = dict[str, Any]

UNMAPPABLE = (KeyError, ValueError, IndexError, AttributeError, TypeError, StudyFhirError)
INDEX = re.compile(r"\[(\d+)\]")

# A link of an entity is the key of one of these; it is renamed with it.
LINKS = {
    "visit": "Visit",
    "sample": "Sample",
    "parent": "Sample",
    "suspect": "Treatment",
    "support": "Support",
    "subject": "Subject",
}


@dataclass(frozen=True, slots=True)
class CodeUse:
    """A cell of a code table that an element holds."""

    table: str
    term: str
    row: int  # position among the rows of the term
    column: str


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """What an id stands for."""

    resource_type: str
    system: str
    key: Key


@dataclass(frozen=True, slots=True)
class Shown:
    """The elements that a leaf decides: those seen exactly, those seen in another shape."""

    exact: set[str]
    rough: set[str]


def elements(resource: Any, path: str = "") -> Elements:
    """Every primitive of a resource by its path, such as ``code.coding[0].code``."""
    if isinstance(resource, dict):
        found: Elements = {}
        for name, value in resource.items():
            found |= elements(value, f"{path}.{name}" if path else name)
        return found
    if isinstance(resource, list):
        found = {}
        for index, value in enumerate(resource):
            found |= elements(value, f"{path}[{index}]")
        return found
    return {path: resource}


@dataclass(frozen=True)
class Trace:
    """What decides the elements of one resource, which ``remap`` makes of a whole in a context."""

    whole: Whole
    remap: Callable[[Whole, Context], Resource]
    context: Context
    pseudonyms: dict[str, Pseudonym] = field(default_factory=dict)

    def __post_init__(self) -> None:
        def id_of(resource_type: str, system: str, key: Key) -> str:
            made = self.context.id_of(resource_type, system, key)
            self.pseudonyms[made] = Pseudonym(resource_type, system, key)
            return made

        tables = {n: MarkedTable(n, table.terms) for n, table in self.context.tables.items()}
        watched = dataclasses.replace(self.context, tables=tables, id_of=id_of)
        object.__setattr__(self, "watched", watched)
        object.__setattr__(self, "base", self._elements(self.whole, watched))

    watched: Context = field(init=False)
    base: Elements = field(init=False)

    def _elements(self, whole: Whole, context: Context) -> Elements:
        return elements(self.remap(whole, context))

    def _after(self, whole: Callable[[], Whole], context: Context | None = None) -> Elements | None:
        """The elements of the resource made of this instead; None where nothing can be made."""
        try:
            return self._elements(whole(), context or self.watched)
        except UNMAPPABLE:
            return None

    def differs(self, whole: Whole) -> bool:
        """True when another whole makes another resource, or none."""
        return self._after(lambda: whole) != self.base

    def shown_by(self, leaf: Leaf, put: Callable[[Any], Whole]) -> Shown:
        """The elements that a leaf decides.

        Changes that keep the resource's shape say it exactly. Where there is none, the first one
        that changes anything says it roughly: elements may have moved or vanished.
        """
        exact: set[str] = set()
        rough: set[str] = set()
        for value in others(leaf, self.context.tables):
            after = self._after(lambda value=value: put(value))  # type: ignore[misc]
            if after is None:
                continue
            found = {p for p, held in self.base.items() if after.get(p, put) != held}
            if after.keys() == self.base.keys():
                exact |= found
                if MARK in str(value) and found:
                    break
            elif not rough:
                rough = found
        told = self._told_apart(put)
        return Shown(exact | told, set() if exact else rough - told)

    def _told_apart(self, put: Callable[[Any], Whole]) -> set[str]:
        """The elements that say something else where the leaf is empty, such as a status."""
        after = self._after(lambda: put(None))
        if after is None:
            return set()
        before, now = _lengths(self.base), _lengths(after)
        return {
            path
            for path, value in self.base.items()
            if after.get(path, value) != value
            and all(before[each] == now.get(each) for each in _lists(path))
        }

    def codes(self) -> dict[str, list[CodeUse]]:
        """The code table cells that each element holds."""
        tables, behind = numbered(self.context.tables)
        after = self._after(lambda: self.whole, dataclasses.replace(self.watched, tables=tables))
        found = {}
        for path, value in (after or {}).items():
            numbers = NUMBERED.findall(value) if isinstance(value, str) else ()
            uses = [behind[int(number[1:-1])] for number in numbers]
            if uses and path in self.base:
                found[path] = [CodeUse(t, term, int(at), c) for t, term, at, c in uses]
        return found

    def settings(self) -> dict[str, set[str]]:
        """The elements that the study's own id and its identifier base decide."""
        to = dataclasses.replace(self.watched, id_of=_plain_id)
        plain = self._elements(self.whole, to)
        marked = {
            "study": dataclasses.replace(to, study=(*to.study[:-1], to.study[-1] + MARK)),
            "identifier-base": dataclasses.replace(to, identifier_base=to.identifier_base + MARK),
        }
        return {
            name: {p for p, v in self._elements(self.whole, context).items() if v != plain.get(p)}
            for name, context in marked.items()
        }


def _lists(path: str) -> Iterator[str]:
    """The lists that a path goes through."""
    return (path[: found.start()] for found in INDEX.finditer(path))


def _lengths(found: Elements) -> dict[str, int]:
    """How long each list is; in one that is shorter the positions say something else."""
    lengths: dict[str, int] = {}
    for path in found:
        for index in INDEX.finditer(path):
            name = path[: index.start()]
            lengths[name] = max(lengths.get(name, 0), int(index[1]) + 1)
    return lengths


def _plain_id(resource_type: str, system: str, key: Key) -> str:
    """An id that the identifier base is no part of."""
    return "".join((resource_type, system.rpartition("/")[2], *key))


T = TypeVar("T")


class Deciding(Generic[T]):
    """Collects what decides each element; what does so roughly counts only where nothing else."""

    def __init__(self, trace: Trace):
        self._trace = trace
        self._exact: dict[str, list[T]] = defaultdict(list)
        self._rough: dict[str, list[T]] = defaultdict(list)

    def add(
        self, leaf: Leaf, put: Callable[[Any], Whole], name: T, of: Trace | None = None
    ) -> None:
        """Tries a leaf, under the name that it is to be known by."""
        shown = (of or self._trace).shown_by(leaf, put)
        for path in shown.exact:
            self._exact[path].append(name)
        for path in shown.rough:
            self._rough[path].append(name)

    def found(self) -> dict[str, list[T]]:
        """The names for each element, in the order of the resource."""
        both = {path: self._exact.get(path) or self._rough.get(path) for path in self._trace.base}
        return {path: names for path, names in both.items() if names}


def deciding(trace: Trace) -> dict[str, list[str]]:
    """For each element, the paths of the leaves of ``whole`` that decide it."""
    found = Deciding[str](trace)
    for leaf in leaves(trace.whole):
        found.add(leaf, leaf.put, leaf.path)
    return found.found()


def deciding_entities(trace: Trace, own: int) -> dict[str, list[tuple[int, str]]]:
    """For each element, (entity, field) of those among the subject's entities that decide it.

    ``own`` is the position of the entity that the resource is made of; the others count only
    where the resource is another without them.
    """
    involved = [own, *_involved(trace, own)]
    few = dataclasses.replace(
        trace, whole=[each if at in involved else None for at, each in enumerate(trace.whole)]
    )
    found = Deciding[tuple[int, str]](trace)
    for at in involved:
        for leaf in leaves(few.whole[at]):
            found.add(leaf, _replacing(few.whole, at, leaf, at == own), (at, leaf.path), few)
    return found.found()


def _involved(trace: Trace, own: int) -> Iterator[int]:
    kinds: Mapping[type, list[int]] = defaultdict(list)
    for at, entity in enumerate(trace.whole):
        if at != own:  # without itself there would be nothing to compare
            kinds[type(entity)].append(at)
    for places in kinds.values():
        if _without(trace, set(places)):
            alone = [at for at in places if _without(trace, {at})]
            yield from alone or places  # where any one of them would do, all count


def _without(trace: Trace, places: set[int]) -> bool:
    """True when the resource is another without these entities."""
    rest = [None if at in places else entity for at, entity in enumerate(trace.whole)]
    return trace.differs(rest)


def _replacing(
    entities: Sequence[Any], at: int, leaf: Leaf, rename: bool
) -> Callable[[Any], list[Any]]:
    """The entities with another value in one place; links follow a key that changes."""

    def put(value: Any) -> list[Any]:
        changed = [*entities]
        changed[at] = leaf.put(value)
        if rename and leaf.path == "key":
            kind = type(entities[at]).__name__
            changed = [_renamed(each, kind, leaf.value, value) for each in changed]
        return changed

    return put


def _renamed(entity: Any, kind: str, old: Key, new: Key) -> Any:
    links = {
        name: new for name, of in LINKS.items() if of == kind and getattr(entity, name, None) == old
    }
    return dataclasses.replace(entity, **links) if links else entity
