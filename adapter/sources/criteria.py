"""Eligibility criteria as text -> lists of inclusion and exclusion criteria."""

from __future__ import annotations

import re

_HEADING = re.compile(r"^\W*(?:\w+\W+){0,4}?(inclusion|exclusion)\s+criteria\b.{0,40}$", re.I)
_BULLET = re.compile(r"^(\s*)(?:[*•·-]|\(?\d{1,2}[.)]|\(?[a-zA-Z][.)])\s+(?=\S)")


def split_criteria(text: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The inclusion and exclusion criteria; nested points stay with the point above them.

    Text before the first heading belongs to neither; without headings both are empty.
    """
    lists: dict[str, list[str]] = {"inclusion": [], "exclusion": []}
    part: list[str] | None = None
    indent: int | None = None
    for line in (text or "").splitlines():
        heading = _HEADING.match(line.strip())
        if heading:
            part, indent = lists[heading[1].lower()], None
        elif part is not None and line.strip():
            bullet = _BULLET.match(line)
            if bullet and (indent is None or len(bullet[1]) <= indent):
                indent = len(bullet[1])
                part.append(line[bullet.end() :].strip())
            elif part:
                part[-1] += f"\n{line.strip()}"
            else:
                part.append(line.strip())
    return tuple(lists["inclusion"]), tuple(lists["exclusion"])
