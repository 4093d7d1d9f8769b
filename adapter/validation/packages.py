"""Reads a user's definitions: a FHIR NPM package (``.tgz`` or folder), a folder, or one file.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from adapter.errors import UsageError

Resource = dict[str, Any]
Definition = tuple[str, str, Callable[[], Resource]]  # resource type, canonical, how to read it
KINDS = frozenset({"StructureDefinition", "ValueSet", "CodeSystem", "Questionnaire"})
LARGEST = 64 * 2**20  # bytes of one definition
MOST = 2**30  # bytes of a whole package, unpacked
ARCHIVES = (".tgz", ".tar.gz")


def index(path: str | Path) -> Iterator[Definition]:
    """The definitions of a package, each with how to read it.

    Raises UsageError for a path that does not exist, and for an archive that is damaged, too large
    or names files outside of itself.
    """
    given = Path(path)
    if given.is_dir():
        yield from _folder(given)
    elif given.name.endswith(ARCHIVES):
        yield from _archive(given)
    elif given.is_file():
        yield from _definitions(_read(given.read_bytes(), str(given)))
    else:
        raise UsageError(f"the package {given} does not exist")


def dependencies(path: str | Path) -> dict[str, str]:
    """Name -> version of the packages that a package's ``package.json`` asks for."""
    given = Path(path)
    if given.is_dir():
        manifest = next((f for f in _manifests(given) if f.is_file()), None)
        content = manifest.read_bytes() if manifest else b"{}"
    elif given.name.endswith(ARCHIVES):
        content = next((c for n, c in _members(given) if n == "package.json"), b"{}")
    else:
        content = b"{}"
    found = _read(content, str(given)).get("dependencies", {})
    return dict(found) if isinstance(found, dict) else {}


def beside(path: str | Path, name: str, version: str) -> Path | None:
    """A dependency that lies in the same folder as the package that needs it."""
    folder = Path(path).resolve().parent
    for stem in (f"{name}-{version}", f"{name}#{version}", name):
        for candidate in (folder / stem, folder / f"{stem}.tgz"):
            if candidate.exists() and candidate != Path(path).resolve():
                return candidate
    return None


def with_dependencies(path: str | Path) -> list[Path]:
    """The packages that a package needs and that lie beside it, the package itself last."""
    ordered: dict[Path, None] = {}

    def visit(at: Path, above: tuple[Path, ...]) -> None:
        if at in ordered or at in above:
            return
        for name, version in dependencies(at).items():
            needed = beside(at, name, version)
            if needed is not None and not _is_shipped(name):
                visit(needed, (*above, at))
        ordered[at] = None

    visit(Path(path), ())
    return list(ordered)


def _is_shipped(name: str) -> bool:
    shipped = ("hl7.fhir.r4", "hl7.fhir.r5", "hl7.terminology", "hl7.fhir.uv.extensions")
    return name.startswith(shipped)


def _manifests(folder: Path) -> list[Path]:
    return [folder / "package" / "package.json", folder / "package.json"]


def _folder(folder: Path) -> Iterator[Definition]:
    inner = folder / "package"
    is_package = (inner / "package.json").is_file()
    files = sorted(inner.glob("*.json") if is_package else folder.rglob("*.json"))
    for file in files:
        if file.name in ("package.json", ".index.json") or file.name.endswith(".openapi.json"):
            continue
        if is_package and not file.name.startswith(tuple(KINDS)):
            continue
        yield from _definitions(_read(file.read_bytes(), str(file), strict=is_package))


def _archive(path: Path) -> Iterator[Definition]:
    for name, content in _members(path):
        if "/" not in name and name.startswith(tuple(KINDS)):
            yield from _definitions(_read(content, f"{path}: {name}"))


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """The JSON files under ``package/``, by their name there."""
    total = 0
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                if name.is_absolute() or ".." in name.parts:
                    raise UsageError(f"the package {path} names a file outside of itself")
                total += member.size
                if member.size > LARGEST or total > MOST:
                    raise UsageError(f"the package {path} is too large: {member.name}")
                if not member.isfile() or name.suffix != ".json" or name.parts[0] != "package":
                    continue
                content = archive.extractfile(member)
                if content is not None:
                    yield "/".join(name.parts[1:]), content.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UsageError(f"the package {path} cannot be read: {type(error).__name__}") from error


def _read(content: bytes, name: str, strict: bool = True) -> Resource:
    try:
        found = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        if not strict:
            return {}
        raise UsageError(f"{name} is not JSON: line {error.lineno}") from error
    return found if isinstance(found, dict) else {}


def _definitions(resource: Resource) -> Iterator[Definition]:
    """A definition, or those of a Bundle."""
    kind, url = resource.get("resourceType"), resource.get("url")
    if kind == "Bundle":
        for entry in resource.get("entry", ()):
            if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
                yield from _definitions(entry["resource"])
    elif kind in KINDS and isinstance(url, str):
        yield kind, url, lambda: resource
        version = resource.get("version")
        if isinstance(version, str):
            yield kind, f"{url}|{version}", lambda: resource
