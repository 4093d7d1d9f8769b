"""All definitions of a release as they are published: with one header, profiles as differentials.

A snapshot repeats HL7's texts and is made by whoever loads a package; ours are made by
``adapter/validation/snapshot.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson

from adapter.fhir.order import reference_to
from adapter.profiles.capabilities import capability_statement
from adapter.validation.own import folder, own_definition, own_urls
from mappings.concept_map import concept_maps
from mappings.context import load_tables
from mappings.locations import CANONICAL

Resource = dict[str, Any]


@cache
def guide() -> Resource:
    """``profiles/guide.json``: version, publisher and what the packages stand on."""
    found: Resource = orjson.loads((folder("R4").parent / "guide.json").read_bytes())
    return found


def published(release: str) -> list[Resource]:
    """Every conformance resource of ours in a release, the ImplementationGuide last."""
    found = [*_known(release), *_files(release, "SearchParameter"), *_maps(release)]
    found.append(capability_statement(found, release))
    found = [_headed(each, release) for each in found]
    return [*found, _implementation_guide(release, found)]


def examples(release: str) -> list[Resource]:
    """One resource for each profile, as the mappings write it."""
    return [orjson.loads(f.read_bytes()) for f in sorted(folder(release).glob("examples/*.json"))]


def _known(release: str) -> Iterator[Resource]:
    for kind in ("StructureDefinition", "ValueSet", "CodeSystem"):
        for url in own_urls(release, kind):
            definition = own_definition(release, kind, url)
            if definition is not None:
                yield definition


def _files(release: str, kind: str) -> Iterator[Resource]:
    for file in sorted(folder(release).glob(f"{kind}-*.json")):
        yield orjson.loads(file.read_bytes())


def _maps(release: str) -> list[Resource]:
    return concept_maps(load_tables("gps", release), release)


def _headed(resource: Resource, release: str) -> Resource:
    """With what all our definitions say alike, in the order of FHIR's elements."""
    about, edition = guide(), guide()["releases"][release]
    first = ("resourceType", "id", "url")
    head = {name: resource[name] for name in first if name in resource}
    body = {name: value for name, value in resource.items() if name not in first}
    headed = {
        **head,
        "version": about["version"],
        **body,
        "date": about["date"],
        "publisher": about["publisher"],
    }
    if resource["resourceType"] in ("StructureDefinition", "CapabilityStatement"):
        headed["fhirVersion"] = edition["fhirVersion"]
    return headed


def _implementation_guide(release: str, found: list[Resource]) -> Resource:
    about, edition = guide(), guide()["releases"][release]
    listed = [
        {
            "reference": {"reference": reference_to(each)},
            "name": each.get("title", each["name"]),
            "description": each["description"],
            **NOT_AN_EXAMPLE[release],
        }
        for each in found
    ]
    shown = [_example(each, release) for each in examples(release)]
    return {
        "resourceType": "ImplementationGuide",
        "id": about["id"],
        "url": f"{CANONICAL}/ImplementationGuide/{about['id']}",
        "version": about["version"],
        "name": "StudyFhirAdapter",
        "title": about["title"],
        "status": "active",
        "experimental": False,
        "date": about["date"],
        "publisher": about["publisher"],
        "description": about["description"],
        "packageId": package_name(release),
        "license": about["license"],
        "fhirVersion": [edition["fhirVersion"]],
        "dependsOn": [
            {"uri": _uri(name), "packageId": name, "version": version, "id": name.replace(".", "_")}
            for name, version in edition["dependencies"].items()
            if ".core" not in name
        ],
        "definition": {"resource": [*listed, *shown]},
    }


NOT_AN_EXAMPLE: dict[str, Resource] = {
    "R4": {"exampleBoolean": False},
    "R4B": {"exampleBoolean": False},
    "R5": {"isExample": False},
}


def _example(resource: Resource, release: str) -> Resource:
    profiles = resource["meta"]["profile"]
    said = {"isExample": True, "profile": profiles}
    return {
        "reference": {"reference": reference_to(resource)},
        "name": f"Example of {profiles[0].rpartition('/')[2]}",
        **(said if release == "R5" else {"exampleCanonical": profiles[0]}),
    }


def _uri(package: str) -> str:
    base = "http://terminology.hl7.org" if "terminology" in package else "http://hl7.org/fhir"
    name = "hl7.terminology" if "terminology" in package else "hl7.fhir.uv.extensions"
    extensions = "" if "terminology" in package else "/extensions"
    return f"{base}{extensions}/ImplementationGuide/{name}"


def package_name(release: str) -> str:
    """The name of a release's package, such as ``study-fhir-adapter.r4``."""
    return f"{guide()['id']}.{release.lower()}"
