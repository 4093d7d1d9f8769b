"""NDJSON as it comes from a server: line by line, in little memory, with a fault for each bad line.

https://hl7.org/fhir/uv/bulkdata/export.html#bulk-data-output-file-request
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from adapter.fhir.json import loads_answer

LINE_BYTES = 16_000_000  # of one resource; attachments stand elsewhere


class Line(NamedTuple):
    """A line by its number, from 1: a resource, or what is wrong with it. Blank ones are none."""

    number: int
    resource: dict[str, Any] | None
    fault: str = ""
    size: int = 0


def resources(chunks: Iterable[bytes], kind: str, limit: int = LINE_BYTES) -> Iterator[Line]:
    """The lines of a file whose resources are all of one type; ``limit`` bytes a line."""
    for number, text in _lines(chunks, limit):
        if text is None:
            yield Line(number, None, f"longer than {limit:,} bytes")
        elif text:
            yield _line(number, text, kind)


def _line(number: int, text: bytes, kind: str) -> Line:
    try:
        found = loads_answer(text)
    except ValueError:
        return Line(number, None, "no JSON: is the file cut off?")
    if not isinstance(found, dict):
        return Line(number, None, "no JSON object")
    if found.get("resourceType") != kind:
        return Line(number, None, f"of another type than the file, which is of {kind}")
    return Line(number, found, size=len(text))


def _lines(chunks: Iterable[bytes], limit: int) -> Iterator[tuple[int, bytes | None]]:
    """Each line with its number; None for one that is too long, whose rest is not kept."""
    number, held, too_long = 1, bytearray(), False
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            held += part
            yield number, _text(number, held, limit, too_long)
            number, held, too_long = number + 1, bytearray(), False
        held += rest
        if len(held) > limit:
            held, too_long = bytearray(), True
    if held or too_long:
        yield number, _text(number, held, limit, too_long)


def _text(number: int, held: bytearray, limit: int, too_long: bool) -> bytes | None:
    if too_long or len(held) > limit:
        return None
    text = bytes(held)
    return (text.removeprefix(codecs.BOM_UTF8) if number == 1 else text).strip()
