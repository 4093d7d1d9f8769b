"""The map stage around the mappings: products, forms, the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter import mapping
from adapter.errors import ConfigurationError
from adapter.mapping import map_study
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

    monkeypatch.setattr(mapping, "Validator", Strict)
    mapped = map_study(Study(folder))
    assert {r.rule for r in mapped.rejects} == {"invalid-resource"}
    assert [r.place for r in mapped.rejects] == ["lab.csv:2", "lab.csv:3", "people.csv:2"]
    assert mapped.counts["Patient"] == 1
    groups = [m.resource["name"] for m in mapped.resources if m.resource["resourceType"] == "Group"]
    assert groups == ["control"]  # the refused child was the only one of the other
