"""BCP 47 language tags, against the subtags that IANA has registered.

https://www.rfc-editor.org/rfc/bcp/bcp47.txt. As HL7's validator does, subtags are compared in the
case in which they are registered: ``en-US`` is a language, ``EN`` and ``en_US`` are not.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

SUBTAGS = Path(__file__).with_name("language-subtags.txt")
RANGES = {  # private use, registered as ranges
    "language": ("qaa", "qtz"),
    "script": ("Qaaa", "Qabx"),
    "region": ("QM", "QZ"),
}
PRIVATE_REGIONS = ("XA", "XZ")


@cache
def subtags() -> dict[str, frozenset[str]]:
    """The registered subtags of each kind."""
    lines = (line.split() for line in SUBTAGS.read_text().splitlines() if line[0] != "#")
    return {kind: frozenset(held) for kind, *held in lines}


def _registered(kind: str, part: str) -> bool:
    if part in subtags()[kind]:
        return True
    first, last = RANGES.get(kind, ("", ""))
    if len(part) == len(first) and first <= part <= last and part.isascii() and part.isalpha():
        return part[1:].islower() or kind == "region"
    return kind == "region" and len(part) == 2 and PRIVATE_REGIONS[0] <= part <= PRIVATE_REGIONS[1]


@cache
def is_language(tag: str) -> bool:
    """Whether a tag is made of registered subtags in their order."""
    parts = tag.split("-")
    if not _registered("language", parts[0]):
        return False
    at = 1
    for kind, most in (("extlang", 3), ("script", 1), ("region", 1), ("variant", 1)):
        for _ in range(most):
            if at < len(parts) and _registered(kind, parts[at]):
                at += 1
    return at == len(parts) or _more(parts[at:])


def _more(parts: list[str]) -> bool:
    """Extensions and private use: a single sign, then at least one subtag of its own."""
    if not len(parts[0]) == 1 < len(parts):
        return False
    return all(1 <= len(part) <= 8 and part.isascii() and part.isalnum() for part in parts)


def matches(wanted: str, tag: str) -> bool:
    """Whether a text in ``tag`` serves who asks for ``wanted``: ``en`` serves ``en-GB``."""
    return tag == "*" or wanted.startswith(tag)
