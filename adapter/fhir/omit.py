"""What a server cannot hold is left out for it, and counted by URL.

Some servers refuse what they do not know: a strict HAPI refuses HL7's cross-version extensions,
profiles that it has not been given, and codes that HL7 spells otherwise since. Of a concept, the
text stays. Nothing else of a resource changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

PROFILE = "meta.profile"
# where what is spared stands: which setting it is, and the element that is compared
SPARED = {
    "extension": ("extensions", "url"),
    "modifierExtension": ("extensions", "url"),
    "coding": ("codings", "system"),
}


@dataclass(frozen=True, slots=True)
class Omission:
    """What one server is spared: extensions whose URL, and codings whose system begins so, and
    ``meta.profile``.
    """

    extensions: tuple[str, ...] = ()
    codings: tuple[str, ...] = ()
    meta_profile: bool = False

    def __bool__(self) -> bool:
        return bool(self.extensions or self.codings or self.meta_profile)


def reduced(resources: Iterable[Any], omission: Omission, counts: Counter[str]) -> Iterator[Any]:
    """The resources as a server takes them; ``counts`` grows by what is left out, by URL."""
    for each in resources:
        if not omission:
            yield each
            continue
        resource = without(each.resource, omission, counts)
        yield each if resource is each.resource else replace(each, resource=resource)


def without(resource: dict[str, Any], omission: Omission, counts: Counter[str]) -> dict[str, Any]:
    """The resource itself when there is nothing to leave out, else a copy without it."""
    before = counts.total()
    kept: dict[str, Any] = _without(resource, omission, counts)
    meta = kept.get("meta")
    if omission.meta_profile and isinstance(meta, dict) and "profile" in meta:
        counts[PROFILE] += 1
        kept = {**kept, "meta": {name: held for name, held in meta.items() if name != "profile"}}
        if not kept["meta"]:
            del kept["meta"]
    return kept if counts.total() > before else resource


def _without(value: Any, omission: Omission, counts: Counter[str]) -> Any:
    if isinstance(value, list):
        return _list_without(value, omission, counts)
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, held in value.items():
        by = SPARED.get(name)
        if by and isinstance(held, list):
            spared = getattr(omission, by[0])
            held = [one for one in held if not _is_omitted(one, by[1], spared, counts)]
        held = _without(held, omission, counts)
        if held not in ({}, []) and not (name.startswith("_") and _is_hollow(held)):
            kept[name] = held
    return kept


def _list_without(values: list[Any], omission: Omission, counts: Counter[str]) -> list[Any]:
    """Of a list, what is empty now goes; where ``null`` keeps the places, it stays as ``null``."""
    kept = [_without(one, omission, counts) for one in values]
    if any(one is None for one in values):
        return [None if one == {} else one for one in kept]
    return [one for one in kept if one != {}]


def _is_hollow(held: Any) -> bool:
    return isinstance(held, list) and all(one in (None, {}) for one in held)


def _is_omitted(one: Any, name: str, prefixes: tuple[str, ...], counts: Counter[str]) -> bool:
    url = one.get(name) if isinstance(one, dict) else None
    if not isinstance(url, str) or not url.startswith(prefixes):
        return False
    counts[url] += 1
    return True
