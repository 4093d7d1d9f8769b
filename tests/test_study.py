"""A study folder, opened: what it brings along reaches the mappings."""

from __future__ import annotations

import json
from pathlib import Path

from adapter import Study, map_study

THEIRS = (
    "https://www.medizininformatik-initiative.de/fhir/modul-studie/StructureDefinition/"
    "mii-pr-studie-proband"
)
PROFILE = {
    "resourceType": "StructureDefinition",
    "url": THEIRS,
    "name": "Proband",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "ResearchSubject",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/ResearchSubject",
    "derivation": "constraint",
    "differential": {
        "element": [
            {"id": "ResearchSubject", "path": "ResearchSubject"},
            {"id": "ResearchSubject.consent", "path": "ResearchSubject.consent", "min": 1},
        ]
    },
}


def extended(folder: Path, *lines: str) -> Path:
    """The study folder with more lines in its study.yaml."""
    file = folder / "study.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "\n".join((*lines, "")), encoding="utf-8")
    return folder


def subjects(folder: Path) -> list[list[str]]:
    mapped = map_study(Study(folder)).resources
    return [
        each.resource["meta"]["profile"]
        for each in mapped
        if each.resource["resourceType"] == "ResearchSubject"
    ]


def test_a_guides_own_profile_is_named_and_checked_once_its_package_is_there(folder: Path) -> None:
    (folder / "mii.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    extended(folder, "flavours: [mii-studie]", "packages: [mii.json]")
    found = subjects(folder)
    assert len(found) == 2
    assert all(profiles[-1] == THEIRS for profiles in found)


def test_without_the_package_only_our_profile_is_named(folder: Path) -> None:
    for profiles in subjects(extended(folder, "flavours: [mii-studie]")):
        assert profiles == [
            "https://w3id.org/study-fhir-adapter/StructureDefinition/mii-studie-subject"
        ]


def test_a_package_alone_changes_nothing(folder: Path) -> None:
    (folder / "mii.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    for profiles in subjects(extended(folder, "packages: [mii.json]")):
        assert profiles == [
            "https://w3id.org/study-fhir-adapter/StructureDefinition/research-subject"
        ]


def test_a_dose_tells_the_strength_of_its_product(folder: Path) -> None:
    (folder / "doses.csv").write_text("no,id,day\n1,01,2024-01-11\n", encoding="utf-8")
    text = (folder / "study.yaml").read_text(encoding="utf-8")
    text = text.replace("sources:\n", "sources:\n  doses: {format: csv, file: doses.csv}\n")
    text += "  doses:\n    entity: Treatment\n    source: doses\n    key: [no]\n    subject: id\n"
    text += "    set: {drug: msc-exosome}\n    fields:\n      day: {to: start}\n"
    text += "products:\n  msc-exosome: {strength: 0.5, strength-unit: mg}\n"
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    (product,) = [
        each.resource
        for each in map_study(Study(folder, fhir="R5")).resources
        if each.resource["resourceType"] == "Medication"
    ]
    numerator = product["ingredient"][0]["strengthRatio"]["numerator"]
    assert (str(numerator["value"]), numerator["code"]) == ("0.5", "mg")
