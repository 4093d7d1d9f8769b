"""Writes a release's definitions as a FHIR NPM package.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
"""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import orjson

from adapter.profiles.definitions import examples, guide, package_name, published
from mappings.locations import CANONICAL

Resource = dict[str, Any]
RELEASES = ("R4", "R4B", "R5")
INDEXED = ("resourceType", "id", "url", "version", "kind", "type")
PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def build(out: Path) -> list[Path]:
    """One ``.tgz`` a release in the folder ``out``; the same definitions give the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    made = []
    for release in RELEASES:
        about = guide()
        file = out / f"{about['id']}-{about['version']}-{release.lower()}.tgz"
        file.write_bytes(_tgz(members(release)))
        made.append(file)
    return made


def members(release: str) -> dict[str, bytes]:
    """The files of a package by their path in it."""
    definitions = {_file(each): each for each in published(release)}
    shown = {_file(each): each for each in examples(release)}
    files = {"package/package.json": _json(_manifest(release))}
    for folder, content in (("package", definitions), ("package/example", shown)):
        files[f"{folder}/.index.json"] = _json(_index(content))
        files.update({f"{folder}/{name}": _json(each) for name, each in content.items()})
    return files


def _file(resource: Resource) -> str:
    return f"{resource['resourceType']}-{resource['id']}.json"


def _manifest(release: str) -> Resource:
    about, edition = guide(), guide()["releases"][release]
    return {
        "name": package_name(release),
        "version": about["version"],
        "tools-version": 3,
        "type": "IG",
        "date": about["date"].replace("-", "") + "000000",
        "license": about["license"],
        "canonical": CANONICAL,
        "url": CANONICAL,
        "title": about["title"],
        "description": about["description"],
        "fhirVersions": [edition["fhirVersion"]],
        "dependencies": edition["dependencies"],
        "author": about["publisher"],
        "directories": {"lib": "package", "example": "example"},
    }


def _index(files: dict[str, Resource]) -> Resource:
    """https://confluence.hl7.org/display/FHIR/NPM+Package+Specification#NPMPackageSpecification-.index.json"""
    return {
        "index-version": 2,
        "files": [
            {
                "filename": name,
                **{key: each[key] for key in INDEXED if isinstance(each.get(key), str)},
            }
            for name, each in files.items()
        ],
    }


def _json(content: Resource) -> bytes:
    return orjson.dumps(content, option=PRETTY)


def _tgz(files: dict[str, bytes]) -> bytes:
    """An archive without times or owners."""
    whole = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=whole, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return whole.getvalue()
