"""JSON documents read with a memory: every leaf is either carried or accounted for.

Reading a leaf marks it as carried. What nobody has read is known at the end, with its JSON path, so
that nothing of a document disappears in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from adapter.errors import SourceError, Where

T = TypeVar("T")
KINDS = {str: "text", bool: "true or false", int: "a whole number", Decimal: "a number"}


def read_json(path: Path) -> Any:
    """The document in a JSON file; numbers with a point are ``Decimal``.

    Raises SourceError for a missing or unreadable file, and with line and column for broken JSON.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SourceError(
            "there is no such file", where=Where(file=str(path)), hint="is the path right?"
        ) from None
    except UnicodeDecodeError:
        raise SourceError(
            "the file is not UTF-8 text", where=Where(file=str(path)), hint="save it as UTF-8"
        ) from None
    except OSError as error:
        raise SourceError(
            f"the file cannot be read: {type(error).__name__}", where=Where(file=str(path))
        ) from None
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise SourceError(
            f"not valid JSON: {error.msg}",
            where=Where(file=str(path), line=error.lineno, column=str(error.colno)),
            hint=_hint(text),
        ) from None
    except (ValueError, RecursionError):
        raise SourceError(
            "not valid JSON: NaN, Infinity or too deeply nested",
            where=Where(file=str(path)),
            hint="download the record again",
        ) from None


def _refuse(word: str) -> None:
    raise ValueError(word)


def _hint(text: str) -> str:
    if text.lstrip().startswith("<"):
        return "this looks like XML or HTML; download the record as JSON (API version 2)"
    return "download the record again, or check the commas and quotes around this place"


class Document:
    """A JSON object with the paths of its leaves and of those that were carried."""

    def __init__(self, data: dict[str, Any], file: str):
        self.file = file
        self.leaves = dict(leaves(data))
        self.carried: set[str] = set()
        self.root = Node(data, "", self)

    def left(self) -> list[str]:
        """The paths of the leaves that nobody has read, in document order."""
        return [path for path in self.leaves if path not in self.carried]


class Node:
    """An object of a document; a leaf that is read from it counts as carried."""

    def __init__(self, data: dict[str, Any], path: str, document: Document):
        self._data = data
        self._path = path
        self._document = document

    def __bool__(self) -> bool:
        return bool(self._data)

    def text(self, key: str) -> str | None:
        """A text; None when absent or empty. Raises SourceError when it is of another type."""
        return self._leaf(key, str)

    def flag(self, key: str) -> bool | None:
        """True or false. Raises SourceError when it is of another type."""
        return self._leaf(key, bool)

    def whole(self, key: str) -> int | None:
        """A whole number. Raises SourceError when it is of another type."""
        return self._leaf(key, int)

    def decimal(self, key: str) -> Decimal | None:
        """A number. Raises SourceError when it is of another type."""
        value = self._data.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            self._document.carried.add(self._join(key))
            return Decimal(value)
        return self._leaf(key, Decimal)

    def words(self, key: str) -> tuple[str, ...]:
        """A scalar or a list of scalars as text: true and false, numbers and texts as they are."""
        value = self._data.get(key)
        items = value if isinstance(value, list) else [value]
        found = []
        for index, item in enumerate(items):
            path = self._join(key) + (f"[{index}]" if isinstance(value, list) else "")
            if isinstance(item, (dict, list)):
                raise self._shape(path, "a single value")
            if item is not None and item != "":
                self._document.carried.add(path)
                found.append(json.dumps(item) if isinstance(item, (bool, int)) else str(item))
        return tuple(found)

    def node(self, key: str) -> Node:
        """An object; an empty one when absent. Raises SourceError when it is none."""
        value = self._data.get(key)
        if value is not None and not isinstance(value, dict):
            raise self._shape(self._join(key), "an object")
        return Node(value or {}, self._join(key), self._document)

    def nodes(self, key: str) -> list[Node]:
        """The objects of a list; none when absent. Raises SourceError for another shape."""
        value = self._data.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._shape(self._join(key), "a list")
        found = []
        for index, item in enumerate(value):
            path = f"{self._join(key)}[{index}]"
            if not isinstance(item, dict):
                raise self._shape(path, "an object")
            found.append(Node(item, path, self._document))
        return found

    def needed(self, key: str) -> str:
        """A text that must be there. Raises SourceError when it is not."""
        value = self.text(key)
        if value is None:
            raise self._shape(self._join(key), "there", verb="must be")
        return value

    def _leaf(self, key: str, kind: type[T]) -> T | None:
        value = self._data.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._shape(self._join(key), KINDS[kind])
        self._document.carried.add(self._join(key))
        return value

    def _join(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def _shape(self, path: str, wanted: str, verb: str = "should be") -> SourceError:
        return SourceError(
            f"the record has another shape: this {verb} {wanted}",
            where=Where(file=self._document.file, path=path),
            hint="give one study record of ClinicalTrials.gov API version 2, as it was downloaded",
        )


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a JSON value with its path, such as ``a.b[0].c``."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def pattern_of(path: str) -> str:
    """The path without the positions in lists: ``a.b[0].c`` -> ``a.b.c``."""
    return re.sub(r"\[\d+\]", "", path)
