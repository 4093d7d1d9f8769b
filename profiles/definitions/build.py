"""Makes the definitions that the validator ships from HL7's packages.

``python profiles/definitions/build.py PACKAGES XVER`` reads the NPM packages named in
``packages.txt`` (a folder of ``.tgz``, checked against the sha256 given there) and the folder XVER
with files of ``hl7.fhir.uv.xver-r5.r4``, which no registry has, and writes the archives and
``MANIFEST.json`` beside itself: the same input, the same bytes.
HL7 publishes these definitions under CC0 (https://hl7.org/fhir/license.html). Text for people
(definitions, comments, mappings, narratives) is left out; what decides a verdict is kept whole.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KINDS = ("StructureDefinition", "ValueSet", "CodeSystem")
# archive -> packages, the later one wins where two define the same canonical
ARCHIVES = {
    "terminology": ["hl7.terminology.r4"],
    "r4": ["hl7.fhir.r4.examples", "hl7.fhir.uv.extensions.r4"],
    "r4b": ["hl7.fhir.r4b.core", "hl7.fhir.uv.extensions.r4"],
    "r5": ["hl7.fhir.r5.core", "hl7.fhir.uv.extensions.r5"],
}
CROSS_VERSION = "hl7.fhir.xver-extensions"
BACKPORTS = "xver-r5-r4"
# where the types of search parameters come from, which capability statements repeat
SEARCH_PARAMETERS = {"R4": "r4", "R4B": "r4b", "R5": "r5"}
KEPT = {
    "StructureDefinition": "resourceType url version name status kind abstract type baseDefinition"
    " derivation context contextInvariant fhirVersion snapshot",
    "ValueSet": "resourceType url version name status compose immutable",
    "CodeSystem": "resourceType url version name status language caseSensitive valueSet"
    " hierarchyMeaning compositional content supplements property concept",
}
ELEMENT = (
    "id path sliceName sliceIsConstraining min max base contentReference type maxLength constraint"
    " mustSupport isModifier binding slicing representation mustHaveValue valueAlternatives"
).split()
PREFIXES = ("fixed", "pattern", "minValue", "maxValue")
SD = "http://hl7.org/fhir/StructureDefinition/"
KEPT_EXTENSIONS = {
    SD + "structuredefinition-fhir-type",
    SD + "regex",
    SD + "elementdefinition-bestpractice",
    SD + "elementdefinition-maxValueSet",
    SD + "elementdefinition-minValueSet",
    SD + "elementdefinition-maxSize",
    SD + "elementdefinition-minLength",
    SD + "elementdefinition-pattern",
    SD + "elementdefinition-namespace",
    SD + "elementdefinition-type-must-support",
    SD + "structuredefinition-imposeProfile",
    SD + "structuredefinition-fmm-no-warnings",
    SD + "structuredefinition-standards-status",
    SD + "structuredefinition-xml-no-order",
    SD + "version-specific-use",
    SD + "valueset-warning",
    SD + "codesystem-alternate",
    "http://hl7.org/fhir/tools/StructureDefinition/additional-binding",
}
# words for people on a concept, no verdict depends on them
UNUSED_PROPERTIES = {"comments", "comment", "internalId", "v2-table-status", "HL7usageNotes"}


def packages(folder: Path) -> dict[str, tuple[str, str, Path]]:
    """Name -> (version, sha256, file); raises SystemExit for a file that is not the one meant."""
    found = {}
    for line in (HERE / "packages.txt").read_text().splitlines():
        sha256, package, file = line.split()
        name, version = package.split("@")
        path = folder / file
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            sys.exit(f"{file} is not the file that packages.txt names")
        found[name] = (version, sha256, path)
    return found


def read(package: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The bytes of a file in a package."""
    content = package.extractfile(member)
    return content.read() if content is not None else b"{}"


def definitions(file: Path, kinds: Collection[str] = KINDS) -> Iterator[dict[str, Any]]:
    """The canonical resources of a package, its examples left out."""
    core_examples = ".examples-" in file.name
    with tarfile.open(file) as package:
        for member in package:
            name = member.name.removeprefix("package/")
            if name.split("-")[0] not in kinds or not name.endswith(".json"):
                continue
            resource = json.loads(read(package, member))
            example = core_examples and str(resource.get("id")).split("-")[0] == "example"
            if "url" in resource and not example:
                yield resource


def minify(resource: dict[str, Any]) -> dict[str, Any]:
    """What of a definition decides a verdict."""
    kind = resource["resourceType"]
    small = {key: resource[key] for key in KEPT[kind].split() if key in resource}
    if extensions := _extensions(resource):
        small["extension"] = extensions
    if kind == "StructureDefinition" and "snapshot" in small:
        small["snapshot"] = {"element": [_element(e) for e in small["snapshot"]["element"]]}
    if kind == "CodeSystem" and "concept" in small:
        small["concept"] = [_concept(c) for c in small["concept"]]
    if kind == "ValueSet" and "compose" not in small and "expansion" in resource:
        small["expansion"] = {"contains": resource["expansion"].get("contains", [])}
    return small


def correct(resource: dict[str, Any]) -> None:
    """R4's vital signs bind units to every type of a component's value: HL7's validator takes that
    for a mistake, and the binding for an extensible one; so do we."""
    vital = SD + "vitalsigns"
    if resource.get("version") != "4.0.1" or vital not in (
        resource["url"],
        resource.get("baseDefinition"),
    ):
        return
    for element in resource.get("snapshot", {}).get("element", []):
        if element["path"] == "Observation.component.value[x]" and "binding" in element:
            element["binding"]["strength"] = "extensible"


def _extensions(element: dict[str, Any]) -> list[Any]:
    return [e for e in element.get("extension", []) if e.get("url") in KEPT_EXTENSIONS]


def _element(element: dict[str, Any]) -> dict[str, Any]:
    small = {
        key: value for key, value in element.items() if key in ELEMENT or key.startswith(PREFIXES)
    }
    if small.get("isModifier") is False:
        del small["isModifier"]
    if extensions := _extensions(element):
        small["extension"] = extensions
    if "binding" in small:
        binding = small["binding"]
        kept = {k: binding[k] for k in ("strength", "valueSet", "additional") if k in binding}
        if extensions := _extensions(binding):
            kept["extension"] = extensions
        small["binding"] = kept
    if "constraint" in small:
        small["constraint"] = [_constraint(c) for c in small["constraint"]]
    return small


def _constraint(constraint: dict[str, Any]) -> dict[str, Any]:
    small = {
        key: constraint[key]
        for key in ("key", "severity", "human", "expression", "source")
        if key in constraint
    }
    if extensions := _extensions(constraint):
        small["extension"] = extensions
    return small


def _concept(concept: dict[str, Any]) -> dict[str, Any]:
    small = {key: concept[key] for key in ("code", "display") if key in concept}
    properties = [p for p in concept.get("property", []) if p["code"] not in UNUSED_PROPERTIES]
    if properties:
        small["property"] = properties
    if extensions := _extensions(concept):
        small["extension"] = extensions
    designations = [
        {key: d[key] for key in ("language", "value") if key in d}
        for d in concept.get("designation", [])
    ]
    if designations:
        small["designation"] = designations
    if "concept" in concept:
        small["concept"] = [_concept(c) for c in concept["concept"]]
    return small


def cross_version(file: Path) -> dict[str, Any]:
    """The elements of each release that extension-<path> may name (packages' xver-paths)."""
    with tarfile.open(file) as package:
        found = {}
        for member in package:
            if "xver-paths-" in member.name and "r2" not in member.name:
                found[member.name.rsplit("-", 1)[1]] = json.loads(read(package, member))
        return found


def backports(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """HL7's definitions of R5 elements as extensions of R4: files of ``hl7.fhir.uv.xver``."""
    files = sorted(folder.glob("StructureDefinition-ext-R5-*.json"))
    found = [json.loads(file.read_bytes()) for file in files]
    return {(each["resourceType"], each["url"]): minify(each) for each in found}


def search_parameters(files: list[Path]) -> dict[str, str]:
    """The types of search parameters by their canonical."""
    found = {
        resource["url"]: resource["type"]
        for file in files
        for resource in definitions(file, ["SearchParameter"])
    }
    return dict(sorted(found.items()))


def write(archive: str, resources: dict[tuple[str, str], dict[str, Any]]) -> dict[str, int]:
    """One zip: a member for each definition, and an index of canonicals."""
    counts = dict.fromkeys(KINDS, 0)
    index: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    index["types"] = {
        resource["type"]: resource["kind"]
        for resource in resources.values()
        if resource.get("derivation", "specialization") == "specialization"
        and not resource.get("abstract")
        and resource["resourceType"] == "StructureDefinition"
    }
    bodies = {}
    for number, ((kind, url), resource) in enumerate(sorted(resources.items())):
        member = f"{kind}/{url.rsplit('/', 1)[-1]}-{number}.json"
        index[kind][url] = member
        counts[kind] += 1
        bodies[member] = resource
    write_zip(archive, {"index.json": index, **bodies})
    return counts


def write_zip(archive: str, members: dict[str, Any]) -> None:
    """A zip of minified JSON whose bytes depend on its content alone."""
    with zipfile.ZipFile(HERE / f"{archive}.zip", "w") as out:
        for member, body in members.items():
            info = zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
            out.writestr(info, text.encode(), compresslevel=9)


def main(folder: Path, xver: Path) -> None:
    """Builds every archive and the manifest; ``xver`` holds the files of ``backports``."""
    known = packages(folder)
    manifest: dict[str, Any] = {"licence": "CC0-1.0", "publisher": "HL7 International"}
    shared: set[tuple[str, str]] = set()
    for archive, names in ARCHIVES.items():
        resources: dict[tuple[str, str], dict[str, Any]] = {}
        for name in names:
            for resource in definitions(known[name][2]):
                key = (resource["resourceType"], resource["url"])
                if key not in shared:
                    resources[key] = minify(resource)
                    correct(resources[key])
        if archive == "terminology":
            shared = {key for key in resources if key[0] != "StructureDefinition"}
        counts = write(archive, resources)
        manifest[f"{archive}.zip"] = {
            "packages": [{"name": n, "version": known[n][0], "sha256": known[n][1]} for n in names],
            "definitions": counts,
            "sha256": hashlib.sha256((HERE / f"{archive}.zip").read_bytes()).hexdigest(),
        }
    name, (version, sha256, file) = CROSS_VERSION, known[CROSS_VERSION]
    write_zip("cross-version", cross_version(file))
    manifest["cross-version.zip"] = {
        "packages": [{"name": name, "version": version, "sha256": sha256}],
        "sha256": hashlib.sha256((HERE / "cross-version.zip").read_bytes()).hexdigest(),
    }
    manifest[f"{BACKPORTS}.zip"] = {
        "files": {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(xver.glob("StructureDefinition-ext-R5-*.json"))
        },
        "origin": "hl7.fhir.uv.xver-r5.r4 0.0.1-snapshot-3",
        "definitions": write(BACKPORTS, backports(xver)),
        "sha256": hashlib.sha256((HERE / f"{BACKPORTS}.zip").read_bytes()).hexdigest(),
    }
    types = {
        f"{release}.json": search_parameters([known[name][2] for name in ARCHIVES[archive]])
        for release, archive in SEARCH_PARAMETERS.items()
    }
    write_zip("search-parameters", types)
    used = sorted({name for archive in SEARCH_PARAMETERS.values() for name in ARCHIVES[archive]})
    manifest["search-parameters.zip"] = {
        "packages": [{"name": n, "version": known[n][0], "sha256": known[n][1]} for n in used],
        "definitions": {member.removesuffix(".json"): len(t) for member, t in types.items()},
        "sha256": hashlib.sha256((HERE / "search-parameters.zip").read_bytes()).hexdigest(),
    }
    (HERE / "MANIFEST.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
