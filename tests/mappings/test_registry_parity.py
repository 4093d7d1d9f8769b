"""Nothing of a registration is lost: every leaf appears in FHIR or is dropped with a reason."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from registry_parity import missing
from registry_records import REGISTRY, SAMPLES, Maker, context

from adapter.sources.ctgov import UNKNOWN, Registration, read_registration
from adapter.sources.leaves import leaves
from mappings.study_record import map_study

RELEASES = ("R4", "R4B", "R5")
in_each_release = pytest.mark.parametrize("release", RELEASES)


def mapped(registration: Registration, release: str = "R4") -> list[dict[str, Any]]:
    to = context(registration.study.key[0], release)
    return [resource for _, resource in map_study(registration.study, (), (), to)]


def lost(file: Path, release: str) -> list[str]:
    record = json.loads(file.read_text("utf-8"), parse_float=Decimal)
    registration = read_registration(file)
    dropped = [leaf.path for leaf in registration.dropped if leaf.reason != UNKNOWN]
    return missing(record, mapped(registration, release), dropped)


@in_each_release
@pytest.mark.parametrize("file", [REGISTRY, *SAMPLES], ids=lambda file: file.parent.name[-8:])
def test_every_leaf_of_a_record_is_carried(file: Path, release: str) -> None:
    assert lost(file, release) == []


def test_the_reference_study_is_carried_whole() -> None:
    assert read_registration(REGISTRY).dropped == ()


@in_each_release
@pytest.mark.parametrize("choice", range(14))
def test_every_key_and_word_of_the_api_is_carried(
    choice: int, release: str, tmp_path: Path
) -> None:
    file = tmp_path / "record.json"
    file.write_text(json.dumps(Maker(choice).record(), default=float), encoding="utf-8")
    assert lost(file, release) == []


def test_a_lost_leaf_is_noticed() -> None:
    registration = read_registration(REGISTRY)
    resources = [r for r in mapped(registration) if r["resourceType"] != "Group"]
    record = json.loads(REGISTRY.read_text("utf-8"))
    assert "protocolSection.eligibilityModule.sex" in missing(record, resources, [])


@in_each_release
def test_samples_are_carried(release: str) -> None:
    folder = os.environ.get("STUDY_FHIR_SAMPLES")
    if not folder or not (files := sorted(Path(folder).glob("ctgov_v2/*.json"))):
        pytest.skip("no samples: set STUDY_FHIR_SAMPLES to a folder with ctgov_v2/*.json")
    total = 0
    missed: list[str] = []
    for file in files:
        record = json.loads(file.read_text("utf-8"), parse_float=Decimal)
        total += sum(path.startswith("protocolSection") for path, _ in leaves(record))
        missed += [
            f"{file.stem} {path}" for path in lost(file, release) if path.startswith("protocol")
        ]
    assert len(missed) <= total / 100, missed[:20]
