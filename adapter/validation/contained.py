"""Contained resources: each is referred to, none has another's id.

https://hl7.org/fhir/R4/references.html#contained
"""

from __future__ import annotations

import re
from typing import Any

from adapter.validation.issues import Issue

_LINK = re.compile(r"""\s(?:href|src)\s*=\s*["']#([^"']*)["']""")

# elements of types that do not link, whatever they hold
_NO_LINKS = frozenset("valueString valueMarkdown valueCode valueId display text title id".split())


def check_contained(resource: dict[str, Any], path: str) -> list[Issue]:
    """Issues of the resources that a resource contains: orphans, and ids that repeat.

    A contained resource is no orphan when the container refers to it, directly or through others,
    or when it refers to the container.
    """
    held = resource.get("contained")
    if not isinstance(held, list):
        return []
    inner = [one if isinstance(one, dict) else {} for one in held]
    links = [fragments(one) for one in inner]
    reached = _reached(fragments(resource, skip="contained"), inner, links)
    issues: list[Issue] = []
    seen: set[Any] = set()
    for number, one in enumerate(inner):
        given, at = one.get("id"), f"{path}.contained[{number}]"
        if isinstance(given, str):
            if given in seen:
                text = f"two contained resources have the id '{given}'"
                name = "RESOURCE_DUPLICATE_CONTAINED_ID"
                issues.append(Issue("error", "duplicate", at, text, name))
            seen.add(given)
        if str(given) not in reached and "" not in links[number]:
            text = f"nothing refers to the contained resource '{given}' (dom-3)"
            issues.append(Issue("error", "invalid", at, text, "CONTAINED_ORPHAN_DOM3"))
    return issues


def _reached(start: set[str], inner: list[dict[str, Any]], links: list[set[str]]) -> set[str]:
    """The ids that can be reached from the container, and from whatever refers to it."""
    targets: dict[str, set[str]] = {}
    for one, led in zip(inner, links, strict=True):
        given = one.get("id")
        if isinstance(given, str):
            targets.setdefault(given, set()).update(led - {given})
            if "" in led:
                start = start | {given}
    reached: set[str] = set()
    waiting = list(start)
    while waiting:
        given = waiting.pop()
        if given not in reached:
            reached.add(given)
            waiting += targets.get(given, ())
    return reached


def fragments(element: Any, skip: str = "") -> set[str]:
    """The fragments, without their ``#``, that an element's strings and narrative name."""
    found: set[str] = set()
    _collect(element, skip, found)
    return found


def _collect(element: Any, skip: str, found: set[str]) -> None:
    if type(element) is dict:
        for name, held in element.items():
            if name == skip:
                continue
            if type(held) is str:
                if held[:1] == "#":
                    if name not in _NO_LINKS:
                        found.add(held[1:])
                elif name == "div":
                    found.update(_LINK.findall(held))
            elif type(held) is dict or type(held) is list:
                _collect(held, "", found)
    elif type(element) is list:
        for one in element:
            if type(one) is str:
                if one[:1] == "#":
                    found.add(one[1:])
            else:
                _collect(one, "", found)
