"""Packages of definitions: NPM archives, folders, files, and what must not be in them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import ConfigurationError, UsageError
from adapter.validation import Validator
from adapter.validation.packages import beside, dependencies, index, with_dependencies

PROFILE = {
    "resourceType": "StructureDefinition",
    "url": "https://w3id.org/study-fhir-adapter/StructureDefinition/enrolled",
    "name": "Enrolled",
    "status": "draft",
    "kind": "resource",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {"element": [{"path": "Patient.birthDate", "min": 1}]},
}
URL = str(PROFILE["url"])


def archive(path: Path, members: dict[str, Any]) -> Path:
    with tarfile.open(path, "w:gz") as out:
        for name, content in members.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def in_archive(folder: Path) -> Path:
    members = {
        "package/package.json": {"name": "test", "version": "1.0.0"},
        "package/StructureDefinition-enrolled.json": PROFILE,
    }
    return archive(folder / "test-1.0.0.tgz", members)


def in_folder(folder: Path) -> Path:
    (folder / "profiles").mkdir()
    (folder / "profiles" / "enrolled.json").write_text(json.dumps(PROFILE))
    (folder / "profiles" / "notes.json").write_text("[not json")
    return folder / "profiles"


def in_bundle(folder: Path) -> Path:
    path = folder / "definitions.json"
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": [{"resource": PROFILE}]}))
    return path


@pytest.mark.parametrize("form", [in_archive, in_folder, in_bundle])
def test_a_profile_is_found_in_each_form(form: Any, tmp_path: Path) -> None:
    validator = Validator("R4", packages=[form(tmp_path)])
    patient = {"resourceType": "Patient"}
    (issue,) = validator.validate(patient, profiles=[URL])
    assert issue.messageId == "Validation_VAL_Profile_Minimum"
    assert validator.validate({**patient, "birthDate": "2020-01-01"}, profiles=[URL]) == []
    claimed = {**patient, "meta": {"profile": [URL]}}
    assert not validator.is_valid(claimed)


@pytest.mark.parametrize("name", ["package/../../evil.json", "/package/evil.json"])
def test_an_archive_that_leaves_its_place_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="outside"):
        list(index(archive(tmp_path / "evil.tgz", {name: PROFILE})))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tgz"
    broken.write_bytes(b"not gzip")
    with pytest.raises(UsageError, match="cannot be read"):
        Validator("R4", packages=[broken])
    with pytest.raises(UsageError, match="does not exist"):
        Validator("R4", packages=[tmp_path / "nowhere"])


def test_dependencies_are_taken_from_beside(tmp_path: Path) -> None:
    needed = archive(
        tmp_path / "base-2.0.0.tgz", {"package/package.json": {"name": "base", "version": "2.0.0"}}
    )
    asking = archive(
        tmp_path / "test-1.0.0.tgz",
        {
            "package/package.json": {
                "name": "test",
                "dependencies": {"base": "2.0.0", "absent": "1.0.0", "hl7.fhir.r4.core": "4.0.1"},
            }
        },
    )
    assert dependencies(asking)["base"] == "2.0.0"
    assert beside(asking, "base", "2.0.0") == needed
    assert with_dependencies(asking) == [needed, asking]


@pytest.mark.parametrize("base", [URL, "https://w3id.org/study-fhir-adapter/StructureDefinition/b"])
def test_profiles_that_base_on_each_other_are_refused(base: str, tmp_path: Path) -> None:
    other = {**PROFILE, "url": base, "baseDefinition": URL}
    path = tmp_path / "circle.json"
    path.write_text(
        json.dumps(
            {
                "resourceType": "Bundle",
                "entry": [{"resource": {**PROFILE, "baseDefinition": base}}, {"resource": other}],
            }
        )
    )
    with pytest.raises(ConfigurationError, match="circle"):
        Validator("R4", packages=[path]).validate({"resourceType": "Patient"}, profiles=[URL])
