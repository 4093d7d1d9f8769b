"""From paths to resources, one at a time: JSON, NDJSON and XML, plain or gzipped, or stdin.

What cannot be read becomes an issue with its file and line; nothing a file holds ends in a
traceback. NDJSON is read line by line, so its size does not matter; one resource may have
``MAX_BYTES``.  https://hl7.org/fhir/R4/json.html  https://hl7.org/fhir/R4/nd-json.html
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from adapter.errors import UsageError
from adapter.validation import json_text
from adapter.validation.definitions import Definitions
from adapter.validation.issues import Issue
from adapter.validation.positions import lines_of, xml_lines_of

MAX_BYTES = 100_000_000
STDIN = "-"
SUFFIXES = (".json", ".ndjson", ".xml", ".json.gz", ".ndjson.gz", ".xml.gz")
NO_RESOURCE_FILES = frozenset({"package.json", "package-lock.json"})

_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)")
_DIGITS = bytes.maketrans(b"123456789.E", b"0000000000e")
_MANY_DIGITS = b"0" * 16  # a double keeps 15
_LONG_NUMBER = re.compile(rb"[:\[,\s]-?[0-9.]{16}")
_EXPONENT = re.compile(rb"[:\[,\s]-?[0-9.]+[eE]")


class Document(NamedTuple):
    """The bytes of one resource and where they stand; ``fault`` says why there are none."""

    file: str
    line: int
    data: bytes
    form: str = "json"  # json | xml
    found: bool = False  # came from searching a folder, so it may be no FHIR at all
    fault: str | None = None


@dataclass
class Instance:
    """One resource (None where there is nothing to validate) and what reading it brought up."""

    file: str
    line: int
    resource: dict[str, Any] | None
    issues: list[Issue]
    data: bytes = field(repr=False, default=b"")
    form: str = "json"

    def lines_of(self, paths: Collection[str]) -> dict[str, int]:
        """The lines on which these elements stand."""
        if self.form == "xml":
            return xml_lines_of(self.data, paths)
        return lines_of(self._text, paths, self.line)

    @cached_property
    def _text(self) -> str:
        return self.data.decode("utf-8-sig", "replace")


def instances(paths: Iterable[str | Path], definitions: Definitions) -> Iterator[Instance]:
    """The resources of files and folders, in order; ``-`` is stdin.

    Raises UsageError for a path that does not exist.
    """
    for document in documents(paths):
        yield read(document, definitions)


def read(document: Document, definitions: Definitions) -> Instance:
    """A document's resource. XML needs the definitions of its release."""
    if document.fault is not None:
        issues, resource = [Issue("fatal", "structure", "", document.fault)], None
    elif document.form == "xml":
        from adapter.validation.xml import parse_xml

        resource, issues = parse_xml(document.data, definitions)
    else:
        resource, issues = parse_json(document.data, document.line)
    if document.found and _is_no_resource(document, resource, definitions):
        text = "no FHIR resource (it names no type): skipped"
        resource, issues = None, [Issue("information", "informational", "", text)]
    return Instance(document.file, document.line, resource, issues, document.data, document.form)


def parse_json(data: bytes | str, line: int = 1) -> tuple[dict[str, Any] | None, list[Issue]]:
    """The resource of JSON text that starts at this line, and the faults of the text.

    Numbers are int, float where that loses no digit, and Decimal elsewhere.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        value = orjson.loads(raw)
    except ValueError:
        return _tolerant(raw, line)
    if not isinstance(value, dict) or not _kept_all(raw, value):
        return _tolerant(raw, line)
    if _has_exact_numbers(raw):
        try:
            value = json.loads(raw, parse_float=json_text.decimal, parse_int=json_text.integer)
        except (ValueError, RecursionError):
            return _tolerant(raw, line)
    return value, []


def _kept_all(raw: bytes, value: dict[str, Any]) -> bool:
    """False where a key stood twice, or might have: the quick reader keeps the last silently.

    Each pair has a colon, so one that was lost shows in their number; an escaped one would not.
    """
    try:
        written = orjson.dumps(value)
    except TypeError:  # nested too deeply
        return False
    return raw.count(b":") == written.count(b":") and b"\\u003" not in raw


def _has_exact_numbers(raw: bytes) -> bool:
    """True when a number's text says more than a double can: many digits, or an exponent."""
    digits = raw.translate(_DIGITS)
    return bool(
        (_MANY_DIGITS in digits and _LONG_NUMBER.search(raw))
        or (b"0e" in digits and _EXPONENT.search(raw))
    )


def _tolerant(raw: bytes, line: int) -> tuple[dict[str, Any] | None, list[Issue]]:
    if b"\0" in raw[:4] or raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None, [_fatal("UTF-16 or UTF-32, where FHIR wants UTF-8", line)]
    try:
        text = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        at = line + raw.count(b"\n", 0, error.start)
        return None, [_fatal(f"byte {error.start + 1} is not UTF-8", at)]
    return json_text.parse(text, line)


def _fatal(message: str, line: int) -> Issue:
    return Issue("fatal", "structure", "", f"Error parsing JSON: {message}", line=line)


def _is_no_resource(
    document: Document, resource: dict[str, Any] | None, definitions: Definitions
) -> bool:
    """A folder may hold other files too, such as a run's ledger."""
    if document.form == "json":
        return resource is not None and "resourceType" not in resource
    root = _ROOT.search(document.data)
    return (
        root is not None
        and root.group(1).decode() not in definitions.resource_types
        and b"http://hl7.org/fhir" not in document.data
    )


def documents(paths: Iterable[str | Path]) -> Iterator[Document]:
    """What is to be validated, unparsed and in order.

    Raises UsageError for a path that does not exist.
    """
    for path in paths:
        if str(path) == STDIN:
            yield from _stream(sys.stdin.buffer, "<stdin>")
            continue
        place = Path(path)
        if place.is_dir():
            for file in files_in(place):
                yield from _file(file, found=True)
        elif place.exists():
            yield from _file(place, found=False)
        else:
            raise UsageError(f"there is no file or folder {path}")


def files_in(folder: Path) -> list[Path]:
    """The files of a folder, and of those below it, that may hold FHIR; hidden ones do not."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.name.lower().endswith(SUFFIXES)
        and file.name not in NO_RESOURCE_FILES
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    )


def _file(path: Path, *, found: bool) -> Iterator[Document]:
    name = str(path).encode("utf-8", "replace").decode()  # as it can be printed anywhere
    try:
        with path.open("rb") as raw:
            yield from _opened(raw, name, found=found)
    except OSError as error:
        yield Document(name, 1, b"", fault=f"cannot be read: {error.strerror or error}")


def _opened(raw: IO[bytes], name: str, *, found: bool) -> Iterator[Document]:
    lower = name.lower()
    if not lower.endswith(".gz"):
        yield from _formed(raw, name, lower, found=found)
        return
    try:
        with gzip.open(raw) as unpacked:
            yield from _formed(unpacked, name, lower.removesuffix(".gz"), found=found)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        yield Document(name, 1, b"", fault="is no complete gzip file")


def _formed(
    stream: IO[bytes] | gzip.GzipFile, name: str, lower: str, *, found: bool
) -> Iterator[Document]:
    if lower.endswith(".ndjson"):
        yield from _lines(stream, name)
    elif lower.endswith(".json"):
        yield _whole(stream.read(MAX_BYTES + 1), name, "json", found=found)
    elif lower.endswith(".xml"):
        yield _whole(stream.read(MAX_BYTES + 1), name, "xml", found=found)
    else:
        yield from _stream(stream, name)


def _whole(data: bytes, name: str, form: str, *, found: bool = False) -> Document:
    if len(data) > MAX_BYTES:
        return _too_large(name, 1)
    return Document(name, 1, data, form, found)


def _too_large(name: str, line: int) -> Document:
    return Document(name, line, b"", fault=f"a resource of more than {MAX_BYTES:,} bytes")


def _lines(
    stream: IO[bytes] | gzip.GzipFile, name: str, first: bytes = b"", line: int = 0
) -> Iterator[Document]:
    """One resource a line; empty lines are skipped, a line that is too long is jumped over."""
    if first:
        line += 1
        yield Document(name, line, first)
    while data := stream.readline(MAX_BYTES + 1):
        line += 1
        if len(data) > MAX_BYTES:
            yield _too_large(name, line)
            while data and not data.endswith(b"\n"):
                data = stream.readline(MAX_BYTES)
        elif data.strip():
            yield Document(name, line, data.rstrip(b"\r\n"))


def _stream(stream: IO[bytes] | gzip.GzipFile, name: str) -> Iterator[Document]:
    """Whatever a pipe or a file without a telling name brings: the first line shows what it is."""
    first = stream.readline(MAX_BYTES + 1)
    start = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{") and _is_object(start) and len(first) <= MAX_BYTES:
        yield from _lines(stream, name, first)
        return
    data = first + stream.read(max(0, MAX_BYTES + 1 - len(first)))
    start = data[:100].removeprefix(b"\xef\xbb\xbf").lstrip()
    yield _whole(data, name, "xml" if start.startswith(b"<") else "json")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except ValueError:
        return False
