"""StructureDefinitions, ValueSets and CodeSystems by their canonical URL.

The official definitions lie in ``profiles/definitions`` as archives that ``build.py`` there makes
from HL7's packages; one is read when it is asked for, so that starting costs milliseconds.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from adapter.errors import UsageError
from adapter.validation.own import own_definition, own_urls

Resource = dict[str, Any]
CORE = "http://hl7.org/fhir/StructureDefinition/"
VERSIONS = {"R4": "4.0.1", "R4B": "4.3.0", "R5": "5.0.0"}

# The archives of profiles/definitions that a release reads; the first holds its types.
ARCHIVES = {
    "R4": ("r4", "terminology", "xver-r5-r4"),
    "R4B": ("r4b", "terminology"),
    "R5": ("r5", "terminology"),
}


class Archive:
    """One zip of definitions: an index of canonicals, and a member for each."""

    def __init__(self, path: Path):
        self._path = path
        self._owner = 0
        self.index: dict[str, dict[str, str]] = self.read("index.json")

    def read(self, member: str) -> Any:
        """A member's JSON."""
        if self._owner != os.getpid():  # forked processes would share one place in the file
            self._zip, self._owner = zipfile.ZipFile(self._path), os.getpid()
        return orjson.loads(self._zip.read(member))


@cache
def archive(name: str) -> Archive:
    """An archive of ``profiles/definitions`` by its name, opened once."""
    return Archive(folder() / f"{name}.zip")


@cache
def folder() -> Path:
    """Where the shipped definitions lie: in a checkout, or in an installed wheel."""
    package = Path(__file__).parents[1]
    installed = package / "_profiles" / "definitions"
    return installed if installed.is_dir() else package.parent / "profiles" / "definitions"


@cache
def cross_version(release: str) -> Resource:
    """Elements that ``http://hl7.org/fhir/{release}/StructureDefinition/extension-`` may name."""
    with zipfile.ZipFile(folder() / "cross-version.zip") as paths:
        member = f"{release}.json"
        return orjson.loads(paths.read(member)) if member in paths.namelist() else {}


class Definitions:
    """The definitions of one FHIR release, and those a user adds, which go before.

    Raises UsageError for a release other than R4, R4B and R5.
    """

    def __init__(self, release: str):
        if release not in VERSIONS:
            raise UsageError(f"FHIR release {release} is unknown: give R4, R4B or R5")
        self.release = release
        self.version = VERSIONS[release]
        self._archives = tuple(archive(name) for name in ARCHIVES[release])
        self._added: dict[tuple[str, str], Resource] = {}
        self._lazy: dict[tuple[str, str], Callable[[], Resource]] = {}
        self._making: list[str] = []  # the profiles whose snapshots are being made
        self._read: dict[tuple[str, str], Resource | None] = {}
        self.kinds = self._archives[0].index["types"]
        self.resource_types = frozenset(t for t, kind in self.kinds.items() if kind == "resource")

    @classmethod
    def shipped(cls, release: str) -> Definitions:
        """The official definitions of a release."""
        return cls(release)

    def add(self, resource: Resource) -> None:
        """Adds a user's definition; a StructureDefinition without snapshot gets one when used."""
        kind, url = resource.get("resourceType"), resource.get("url")
        if isinstance(kind, str) and isinstance(url, str):
            self._added[kind, url] = resource
            if version := resource.get("version"):
                self._added[kind, f"{url}|{version}"] = resource
            self._read.clear()

    def add_lazily(self, kind: str, url: str, load: Callable[[], Resource]) -> None:
        """Adds a definition that is read when it is asked for."""
        self._lazy[kind, url] = load
        self._read.clear()

    def structure(self, canonical: str) -> Resource | None:
        """A StructureDefinition with snapshot, by URL, ``URL|version`` or the name of a type."""
        found = self._find("StructureDefinition", canonical)
        if found is None and "/" not in canonical and ":" not in canonical:
            found = self._find("StructureDefinition", CORE + canonical)
        return self._with_snapshot(found) if found else None

    def needed(self, canonical: str) -> Resource:
        """A StructureDefinition that every release has; KeyError when it has not."""
        found = self.structure(canonical)
        if found is None:
            raise KeyError(canonical)
        return found

    def value_set(self, canonical: str) -> Resource | None:
        """A ValueSet by URL or ``URL|version``."""
        return self._find("ValueSet", canonical)

    def code_system(self, canonical: str) -> Resource | None:
        """A CodeSystem by URL or ``URL|version``."""
        return self._find("CodeSystem", canonical)

    def find(self, kind: str, canonical: str) -> Resource | None:
        """A canonical resource of any kind, such as a user's Questionnaire."""
        return self._find(kind, canonical)

    def urls(self, kind: str) -> Iterable[str]:
        """The canonicals of a kind of definition."""
        shipped = {url for one in self._archives for url in one.index.get(kind, {})}
        added = {url for of, url in (*self._added, *self._lazy) if of == kind}
        return sorted(shipped | added | set(own_urls(self.release, kind)))

    def added(self, kind: str) -> Iterable[Resource]:
        """The user's own definitions of a kind."""
        seen = {r["url"]: r for (of, _), r in self._added.items() if of == kind}
        return list(seen.values())

    def _find(self, kind: str, canonical: str) -> Resource | None:
        key = (kind, canonical)
        if key not in self._read:
            self._read[key] = self._look_up(kind, canonical)
        return self._read[key]

    def _look_up(self, kind: str, canonical: str) -> Resource | None:
        if (kind, canonical) in self._added:
            return self._added[kind, canonical]
        url, _, version = canonical.partition("|")
        for where in (canonical, url):
            if (load := self._lazy.get((kind, where))) is not None:
                return load()
        candidate = self._added.get((kind, url)) or self._shipped(kind, url)
        if candidate is None or not version or _same_version(version, candidate.get("version")):
            return candidate
        shipped = self._shipped(kind, url)
        # an official value set of another edition is better than none: HL7's validator does so too
        return shipped if shipped is not None and kind != "StructureDefinition" else None

    def _shipped(self, kind: str, url: str) -> Resource | None:
        for one in self._archives:
            if member := one.index.get(kind, {}).get(url):
                found: Resource = one.read(member)
                return found
        return own_definition(self.release, kind, url)

    def _with_snapshot(self, structure: Resource) -> Resource | None:
        if structure.get("snapshot", {}).get("element"):
            return structure
        from adapter.validation.snapshot import SnapshotError, generate

        url = str(structure.get("url"))
        if url in self._making:
            circle = " -> ".join([*self._making, url])
            raise SnapshotError(f"profiles base on each other in a circle: {circle}")
        self._making.append(url)
        try:
            structure["snapshot"] = {"element": generate(structure, self.structure)}
        finally:
            self._making.pop()
        return structure


def _same_version(wanted: str, held: object) -> bool:
    return isinstance(held, str) and (held == wanted or held.startswith(wanted + "."))
