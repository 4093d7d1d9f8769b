"""Did we get what we asked for? SMART scopes of versions 1 and 2, and others as plain words.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

import re

_SMART = re.compile(r"(system|user|patient)/(\*|[A-Za-z]+)\.(\*|read|write|c?r?u?d?s?)")
_VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}


def missing(asked: str, granted: str) -> list[str]:
    """The scopes of ``asked`` that ``granted`` does not cover, in order.

    A granted scope with a query (``system/Observation.rs?category=…``) covers less than its type,
    so it covers nothing but itself. A default scope (``…/.default``) names no permission.
    """
    has = granted.split()
    return [
        each
        for each in asked.split()
        if each not in has and not each.endswith("/.default") and not _is_covered(each, has)
    ]


def _is_covered(asked: str, granted: list[str]) -> bool:
    found = _parsed(asked)
    if found is None:
        return False
    context, resource_type, wanted = found
    allowed = set()
    for each in filter(None, map(_parsed, granted)):
        if each[0] == context and each[1] in ("*", resource_type):
            allowed |= each[2]
    return wanted <= allowed


def _parsed(scope: str) -> tuple[str, str, set[str]] | None:
    found = _SMART.fullmatch(scope)
    if found is None or not found[3]:
        return None
    return found[1], found[2], set(_VERSION_1.get(found[3], found[3]))
