"""The ids that a server gave, where it gives ids of its own."""

from __future__ import annotations

from typing import Any


def as_held(resource: dict[str, Any], places: dict[str, str], reference: str) -> dict[str, Any]:
    """The resource with the ids that a server gave, in case it gives ids of its own."""
    if not places:
        return resource
    moved: dict[str, Any] = _moved(resource, places)
    if reference in places:
        moved["id"] = places[reference].partition("/")[2]
    return moved


def _moved(value: Any, places: dict[str, str]) -> Any:
    """The JSON with each literal reference as the server has it."""
    if isinstance(value, dict):
        moved = {name: _moved(item, places) for name, item in value.items()}
        target = moved.get("reference")
        if isinstance(target, str):
            moved["reference"] = places.get(target, target)
        return moved
    if isinstance(value, list):
        return [_moved(item, places) for item in value]
    return value
