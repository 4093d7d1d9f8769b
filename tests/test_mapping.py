"""The map stage around the mappings: products, forms, the gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter import validation
from adapter.errors import ConfigurationError
from adapter.mapping import map_study
from adapter.service.mapping import check
from adapter.study import Study
from adapter.validation import Issue

DOSES = """\
  doses:
    entity: Treatment
    source: people
    key: [id]
    subject: id
    set: {drug: msc-exosome}
    fields: {enrolled: {to: start}, batch: {to: batch}}
"""


def with_doses(folder: Path) -> Path:
    settings, people = folder / "study.yaml", folder / "people.csv"
    settings.write_text(settings.read_text().replace("recipes:\n", "recipes:\n" + DOSES))
    head, *lines = people.read_text().splitlines()
    rows = [f"{head},batch", *(f"{line},B-{n % 2}" for n, line in enumerate(lines))]
    people.write_text("\n".join(rows) + "\n")
    return folder


def test_each_batch_of_a_product_is_a_medication_that_doses_refer_to(folder: Path) -> None:
    mapped = map_study(Study(with_doses(folder)))
    assert mapped.counts["Medication"] == 2
    held = {m.reference for m in mapped.resources}
    doses = [m.resource for m in mapped.resources if "medicationReference" in m.resource]
    assert {dose["medicationReference"]["reference"] for dose in doses} <= held


def test_a_product_that_no_table_explains_is_refused_with_its_line(folder: Path) -> None:
    settings = folder / "study.yaml"
    settings.write_text(settings.read_text() + "products: {elixir: {}}\n")
    with pytest.raises(ConfigurationError, match="elixir") as caught:
        map_study(Study(folder))
    assert caught.value.where is not None
    assert caught.value.where.line is not None


def test_what_does_not_pass_the_gate_is_rejected_with_all_that_refers_to_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Strict:
        def __init__(self, _release: str, **_more: object) -> None: ...

        def validate(self, resource: dict[str, Any]) -> list[Issue]:
            bad = resource["resourceType"] == "Patient" and resource["gender"] == "male"
            return [Issue("error", "value", "Patient.gender", "no boys today")] if bad else []

    monkeypatch.setattr(validation, "Validator", Strict)
    mapped = map_study(Study(folder))
    assert {r.rule for r in mapped.rejects} == {"invalid-resource"}
    assert [r.place for r in mapped.rejects] == ["lab.csv:2", "lab.csv:3", "people.csv:2"]
    assert mapped.counts["Patient"] == 1
    groups = [m.resource["name"] for m in mapped.resources if m.resource["resourceType"] == "Group"]
    assert groups == ["control"]  # the refused child was the only one of the other


REGISTRY = {
    "protocolSection": {
        "identificationModule": {"nctId": "TEST01", "briefTitle": "A small study"},
        "statusModule": {"overallStatus": "RECRUITING"},
        "armsInterventionsModule": {"armGroups": [{"label": "treated"}, {"label": "control"}]},
    }
}


def change(folder: Path, old: str, new: str) -> Path:
    settings = folder / "study.yaml"
    assert old in settings.read_text()
    settings.write_text(settings.read_text().replace(old, new))
    return folder


def registered(folder: Path) -> Path:
    (folder / "registry.json").write_text(json.dumps(REGISTRY))
    return change(folder, "title:", "registry: registry.json\ntitle:")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"2": control', '"2": control group'),
        ('arm: {to: arm, codes: {"1"', 'arm: {to: arm, default: somewhere, codes: {"1"'),
        ("site: main}", "site: main, arm: somewhere}"),
    ],
)
def test_an_arm_that_is_not_registered_is_refused_with_its_line(
    folder: Path, old: str, new: str
) -> None:
    study = Study(change(registered(folder), old, new))
    line = 1 + next(
        at for at, text in enumerate((folder / "study.yaml").read_text().split("\n")) if new in text
    )
    with pytest.raises(ConfigurationError, match="has no arm") as caught:
        check(study)
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line) == (f"{folder}/study.yaml", line)
    assert caught.value.hint == "it has: treated, control"


def test_an_arm_in_a_cell_that_is_not_registered_rejects_the_row(folder: Path) -> None:
    change(
        registered(folder), 'arm: {to: arm, codes: {"1": treated, "2": control}}', "arm: {to: arm}"
    )
    people = folder / "people.csv"
    people.write_text(people.read_text().replace("7f3a,1,", "7f3a,treated,"))
    mapped = map_study(Study(folder))
    assert "people.csv:3:arm" in [reject.place for reject in mapped.rejects]
    assert mapped.counts["ResearchSubject"] == 1


@pytest.mark.parametrize(
    ("old", "new", "arms"),
    [
        ("title:", "title:", ["treated", "control"]),
        ('"2": control', '"9": untreated, "2": control', ["treated", "untreated", "control"]),
        ('arm: {to: arm, codes: {"1": treated, "2": control}}', "arm: {to: arm}", ["1", "2"]),
        (
            'site: main}\n    fields:\n      arm: {to: arm, codes: {"1": treated, "2": control}}',
            "site: main, arm: all}\n    fields:\n      arm: {omit: all are in one}",
            ["all"],
        ),
    ],
)
def test_without_a_registry_the_arms_are_those_of_the_recipe(
    folder: Path, old: str, new: str, arms: list[str]
) -> None:
    change(folder, old, new)
    for release in ("R4", "R5"):
        made = [each.resource for each in map_study(Study(folder, fhir=release)).resources]
        (study,) = (each for each in made if each["resourceType"] == "ResearchStudy")
        subjects = [each for each in made if each["resourceType"] == "ResearchSubject"]
        said = study["arm" if release == "R4" else "comparisonGroup"]
        assert [arm["name"] for arm in said] == arms
        linked = {arm["name"] if release == "R4" else arm["linkId"] for arm in said}
        place = "actualArm" if release == "R4" else "actualComparisonGroup"
        assert linked.issuperset(each[place] for each in subjects)
        assert len(subjects) == 2
