"""An example of each profile, mapped from the synthetic cohort: ``profiles/<release>/examples``."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from flavour_examples import flavoured
from study_elements import ROOT, copied

from adapter.fhir.json import dumps
from adapter.mapping import map_study
from adapter.outbox import PushResult, Records
from adapter.outbox.changes import Change
from adapter.study import Study
from adapter.validation.own import folder
from mappings.locations import profile_url

RELEASES = ("R4", "R5")  # R4B has R4's
WHEN = dt.datetime(2026, 1, 5, 2, 1, tzinfo=dt.UTC)


class Everything(set[str]):
    """All there is: the gate lets it through, and ``expected_warnings.py`` validates it."""

    def __contains__(self, _: object) -> bool:
        return True


@cache
def resources(release: str) -> tuple[dict[str, Any], ...]:
    """All that the reference study maps to, by id."""
    with tempfile.TemporaryDirectory() as temporary:
        study = Study(copied(Path(temporary)), fhir=release)
        study.passed = Everything()
        mapped = map_study(study).resources
        subject = next(each.subject for each in mapped if each.subject)
        first = [each.reference for each in mapped if each.subject == subject][:5]
        records = _records(study, subject, first)
    return tuple(
        sorted((*(each.resource for each in mapped), *records), key=lambda each: each["id"])
    )


def _records(study: Study, subject: str, references: list[str]) -> list[dict[str, Any]]:
    """The records of a push that wrote these resources of a subject."""
    records = Records(study.context, clock=lambda: WHEN, began="2026-01-05T02:00:00.000Z")
    written = [Change(reference, subject, b"", "") for reference in references]
    changes = [*records.provenance(written, set()), records.audit("run", PushResult(created=5))]
    return [change.resource for change in changes]


@cache
def profile_examples(release: str) -> dict[str, str]:
    """File to its text: of the resources that claim a profile, the one with the most elements."""
    found = _fullest(flavoured(release)) | _fullest(resources(release))
    return {f"{name}.json": _text(each) for name, each in sorted(found.items())}


def _fullest(resources: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    fullest: dict[str, dict[str, Any]] = {}
    for resource in resources:
        name = resource["meta"]["profile"][0].removeprefix(profile_url(""))
        if name not in fullest or _fullness(resource) > _fullness(fullest[name]):
            fullest[name] = resource
    return fullest


def _fullness(resource: dict[str, Any]) -> tuple[int, int]:
    """Elements, then kinds of extensions."""
    kinds = {each["url"] for each in resource.get("extension", ())}
    return len(resource), len(kinds) if resource["resourceType"] == "AdverseEvent" else 0


def _text(resource: dict[str, Any]) -> str:
    return json.dumps(json.loads(dumps(resource)), indent=1, ensure_ascii=False) + "\n"


def stale(release: str) -> list[str]:
    """The examples that are missing, out of date or of no use any more."""
    wanted = profile_examples(release)
    held = {file.name: file.read_text(encoding="utf-8") for file in _folder(release).glob("*")}
    return sorted(
        name for name in wanted.keys() | held.keys() if wanted.get(name) != held.get(name)
    )


def write(release: str) -> None:
    """Write a release's examples anew."""
    _folder(release).mkdir(exist_ok=True)
    for name in stale(release):
        (_folder(release) / name).unlink(missing_ok=True)
    for name, text in profile_examples(release).items():
        (_folder(release) / name).write_text(text, encoding="utf-8")


def _folder(release: str) -> Path:
    assert folder(release).is_relative_to(ROOT)
    return folder(release) / "examples"
