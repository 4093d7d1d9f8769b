"""What the rules of all resource types share: reading JSON that may be malformed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from adapter.validation.definitions import Definitions
from adapter.validation.issues import Issue
from adapter.validation.terminology import Terminology

Json = dict[str, Any]


class Sources(NamedTuple):
    """Where the rules look things up."""

    release: str
    definitions: Definitions
    terminology: Terminology


def text(element: Json, name: str) -> str | None:
    """A string child that is not empty."""
    value = element.get(name)
    return value if isinstance(value, str) and value else None


def child(element: Json, name: str) -> Json | None:
    """A child that is an object."""
    value = element.get(name)
    return value if isinstance(value, dict) else None


def children(element: Json, name: str, path: str = "") -> Iterator[tuple[str, Json]]:
    """The objects of a list, each with its path."""
    listed = element.get(name)
    if isinstance(listed, list):
        for number, item in enumerate(listed):
            if isinstance(item, dict):
                yield f"{path}.{name}[{number}]", item


def texts(element: Json, name: str, path: str = "") -> Iterator[tuple[str, str]]:
    """The strings of a list, each with its path."""
    listed = element.get(name)
    if isinstance(listed, list):
        for number, item in enumerate(listed):
            if isinstance(item, str):
                yield f"{path}.{name}[{number}]", item


def extensions(element: Json, url: str) -> list[Json]:
    """The extensions of an element with a URL."""
    return [e for _, e in children(element, "extension") if e.get("url") == url]


def extension_value(extension: Json) -> Any:
    """The value of an extension, whatever its type."""
    return next((v for k, v in extension.items() if k.startswith("value")), None)


def error(path: str, message: str, name: str, code: str = "business-rule") -> Issue:
    """An error with the official messageId."""
    return Issue("error", code, path, message, name)
