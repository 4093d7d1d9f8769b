"""``Type/id.path``: taken apart, and the path found in the resource or the nearest ones named."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from adapter.errors import UsageError

PLACE = re.compile(r"([A-Z][A-Za-z]+/[A-Za-z0-9\-]{1,64})(?:\.(.+))?")
INDEX = re.compile(r"\[\d+\]")
NEAR = 4


def split(place: str) -> tuple[str, str]:
    """``Type/id`` and the path, empty for the whole resource. Raises UsageError."""
    found = PLACE.fullmatch(place)
    if found is None:
        raise UsageError(
            "this names no element of a resource",
            hint="write Type/id.path, such as Observation/<id>.valueQuantity.value; "
            "the ids are in the files of `study-fhir map`",
        )
    return found[1], found[2] or ""


def resolve(resource: dict[str, Any], path: str, known: Iterable[str]) -> list[str]:
    """The primitive elements at or below a path; a list's position may be left out if it is one.

    Raises UsageError naming the nearest paths.
    """
    path = path.removeprefix(f"{resource['resourceType']}.")
    known = list(known)
    for wanted, seen in ((path, str), (path, _plain)):
        found = [each for each in known if _within(seen(each), wanted)]
        if found:
            return found
    choice = re.compile(_pattern(path))
    if found := [each for each in known if choice.match(each)]:
        return found
    near = difflib.get_close_matches(path, known, NEAR, 0.5)
    near = near or difflib.get_close_matches(path, {_plain(each) for each in known}, NEAR, 0.4)
    tops = dict.fromkeys(INDEX.sub("", each).split(".")[0] for each in known)
    raise UsageError(
        f"the resource holds no {path}",
        hint=f"did you mean {' or '.join(near[:NEAR])}?" if near else f"it has: {', '.join(tops)}",
    )


def _pattern(path: str) -> str:
    """The path as FHIRPath writes it, ``value.unit``, finds ``valueQuantity.unit``."""
    steps = [re.escape(step) for step in path.split(".") if not step.startswith("ofType(")]
    return r"\.".join(rf"{step}([A-Z]\w*)?(\[\d+\])?" for step in steps) + r"(\.|$)"


def _plain(path: str) -> str:
    return INDEX.sub("", path)


def _within(path: str, wanted: str) -> bool:
    return not wanted or path == wanted or path.startswith((f"{wanted}.", f"{wanted}["))
