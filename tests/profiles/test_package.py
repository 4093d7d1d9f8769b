"""The packages hold what a tool needs to check a study's resources."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.profiles import build
from adapter.profiles.definitions import examples, published
from adapter.profiles.package import RELEASES
from adapter.validation import Validator
from adapter.validation.definitions import Definitions
from adapter.validation.own import own_definition, own_urls
from adapter.validation.resources.known_searches import search_parameters
from mappings.locations import CANONICAL
from mappings.values import OF_STUDY

in_each_release = pytest.mark.parametrize("release", RELEASES)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    files = build(tmp_path_factory.mktemp("packages"))
    return dict(zip(RELEASES, files, strict=True))


def content(file: Path) -> dict[str, Any]:
    with tarfile.open(file) as archive:
        return {
            member.name: json.loads(archive.extractfile(member).read())  # type: ignore[union-attr]
            for member in archive
        }


@in_each_release
def test_a_package_says_what_it_is(packages: dict[str, Path], release: str) -> None:
    file = packages[release]
    assert file.name.endswith(f"{release.lower()}.tgz")
    manifest = content(file)["package/package.json"]
    assert manifest["fhirVersions"] == [Definitions(release).version]
    allowed = ("hl7.fhir.r4.core", "hl7.fhir.r4b.core", "hl7.fhir.r5.core", "hl7.terminology.",
               "hl7.fhir.uv.extensions.")  # fmt: skip
    assert all(name.startswith(allowed) for name in manifest["dependencies"])


@in_each_release
def test_every_file_is_listed_and_every_listed_file_is_there(
    packages: dict[str, Path], release: str
) -> None:
    files = content(packages[release])
    for folder in ("package", "package/example"):
        listed = {each["filename"] for each in files[f"{folder}/.index.json"]["files"]}
        held = {name.rpartition("/")[2] for name in files if name.rpartition("/")[0] == folder} - {
            "package.json",
            ".index.json",
        }
        assert listed == held


def test_the_same_definitions_give_the_same_bytes(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    for again in build(tmp_path):
        assert again.read_bytes() == next(
            file.read_bytes() for file in packages.values() if file.name == again.name
        )


@in_each_release
def test_every_definition_is_valid(release: str) -> None:
    validator = Validator(release)
    for definition in published(release):
        found = [
            f"{i.path}: {i.message}"
            for i in validator.validate(definition)
            if i.severity in ("error", "fatal")
        ]
        assert found == [], definition["url"]


@in_each_release
def test_a_snapshot_can_be_made_of_every_profile(release: str) -> None:
    definitions = Definitions(release)
    for url in own_urls(release, "StructureDefinition"):
        assert definitions.needed(url)["snapshot"]["element"]


@in_each_release
def test_what_a_profile_names_of_ours_exists(release: str) -> None:
    held = {each["url"] for each in published(release)}

    def named(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [url for each in value.values() for url in named(each)]
        if isinstance(value, list):
            return [url for each in value for url in named(each)]
        ours = isinstance(value, str) and value.startswith(f"{CANONICAL}/")
        return [value] if ours and value.split("/")[4] in KINDS else []

    for profile in published(release):
        if profile["resourceType"] == "StructureDefinition":
            assert set(named(profile["differential"])) <= held


KINDS = ("StructureDefinition", "ValueSet", "CodeSystem")


@in_each_release
def test_examples_meet_their_profiles(release: str) -> None:
    validator = Validator(release)
    for example in examples(release):
        assert all(own_definition(release, "StructureDefinition", url)
                   for url in example["meta"]["profile"])  # fmt: skip
        found = [i for i in validator.validate(example) if i.severity in ("error", "fatal")]
        assert found == [], example["id"]


@in_each_release
def test_a_server_must_search_by_id_by_identifier_and_by_study(release: str) -> None:
    (statement,) = (e for e in published(release) if e["resourceType"] == "CapabilityStatement")
    searches = {
        each["type"]: {search["name"]: search["definition"] for search in each["searchParam"]}
        for each in statement["rest"][0]["resource"]
    }
    known = search_parameters(release) | {each["url"]: "" for each in published(release)}
    assert {url for each in searches.values() for url in each.values()} <= known.keys()
    for example in examples(release):
        names = searches[example["resourceType"]]
        of_study = OF_STUDY in {each["url"] for each in example.get("extension", ())}
        assert ("researchStudy" in names) == of_study
        assert ("identifier" in names) == ("identifier" in example)
        assert "_id" in names
    assert ("arm" in searches["ResearchSubject"]) == (release != "R5")


@in_each_release
def test_every_profile_and_extension_has_an_example(release: str) -> None:
    shown = examples(release)
    profiles = {url for each in shown for url in each["meta"]["profile"]}
    definitions = [each for each in published(release) if each["resourceType"] == KINDS[0]]
    resources = {each["url"] for each in definitions if each["kind"] == "resource"}
    extensions = {each["url"] for each in definitions if each["type"] == "Extension"}
    assert resources <= profiles
    assert extensions <= {url for each in shown for url in extended(each)}
    assert len(resources) + len(extensions) == len(definitions)
    assert len({(each["resourceType"], each["id"]) for each in shown}) == len(shown)


def extended(value: Any) -> Iterator[str]:
    """The URLs of the extensions within a resource."""
    if isinstance(value, dict):
        for name in ("extension", "modifierExtension"):
            yield from (each["url"] for each in value.get(name, ()))
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from extended(each)


def test_a_profile_refuses_what_it_forbids() -> None:
    patient = next(each for each in examples("R4") if each["resourceType"] == "Patient")
    named = {**patient, "name": [{"family": "Somebody"}]}
    (issue,) = (i for i in Validator("R4").validate(named) if i.severity == "error")
    assert issue.profile == f"{CANONICAL}/StructureDefinition/patient"


def test_another_tool_needs_the_package_alone(packages: dict[str, Path]) -> None:
    specimen = next(each for each in examples("R4") if each["resourceType"] == "Specimen")
    validator = Validator("R4", packages=[packages["R4"]])
    del specimen["type"]
    paths = [i.path for i in validator.validate(specimen) if i.severity == "error"]
    assert paths == ["Specimen"]
