#!/usr/bin/env python3
"""Fill a FHIR package cache from npm packages: mkcache.py NPM_FOLDER HOME (HOME/.fhir/packages).

The R4 core package is not on npm; the definitions inside hl7.fhir.r4.examples stand in for it.
"""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

INDEX = "[cache]\nversion = 4\n\n[urls]\n\n[local]\n\n[packages]\n"
EXAMPLES, CORE = "hl7.fhir.r4.examples", "hl7.fhir.r4.core"
DEFINITIONS = {
    "CapabilityStatement",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "NamingSystem",
    "OperationDefinition",
    "SearchParameter",
    "StructureDefinition",
    "StructureMap",
    "ValueSet",
}


def files(package: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    """(path within the package, content) of every file."""
    for member in package:
        content = package.extractfile(member) if member.isfile() else None
        if content and ".." not in member.name.split("/"):
            yield member.name.split("/", 1)[1], content.read()


def definitions(package: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    """The R4 definitions among the official examples, each canonical URL once."""
    seen: set[tuple[str, str]] = set()
    for path, content in files(package):
        if "/" in path or not path.endswith(".json") or path.split("-")[0] not in DEFINITIONS:
            continue
        resource: dict[str, Any] = json.loads(content)
        identity = (resource["resourceType"], resource.get("url", ""))
        example = resource["id"] == "example" or resource["id"].startswith("example-")
        if identity[1] and not example and identity not in seen:
            seen.add(identity)
            yield path, content


def manifest(package: tarfile.TarFile) -> dict[str, Any]:
    """The package's manifest, without dependencies: the driver names what it loads."""
    content = package.extractfile("package/package.json")
    if content is None:
        raise SystemExit("a package has no manifest")
    described: dict[str, Any] = json.load(content)
    described.pop("dependencies", None)
    if described["name"] == EXAMPLES:
        described |= {"name": CORE, "type": "Core", "title": "R4 definitions"}
    return described


def unpack(archive: Path, cache: Path) -> None:
    """One npm archive into the cache, as name#version."""
    with tarfile.open(archive) as package:
        described = manifest(package)
        content = definitions(package) if described["name"] == CORE else files(package)
        folder = cache / f"{described['name']}#{described['version']}" / "package"
        for path, data in content:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        (folder / "package.json").write_text(json.dumps(described, indent=1), encoding="utf-8")


def main(source: Path, home: Path) -> None:
    """Fill the cache."""
    cache = home / ".fhir" / "packages"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "packages.ini").write_text(INDEX, encoding="utf-8")
    for archive in sorted(source.glob("*.tgz")):
        unpack(archive, cache)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
