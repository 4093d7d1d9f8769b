"""What ``study-fhir demo`` does, step by step, and what it holds the result against."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from adapter.demo.server import EmbeddedServer
from adapter.locate import shipped
from adapter.mapping import MapResult, Progress, map_study
from adapter.outbox import VerifyResult, plan
from adapter.service import mapping, outboxes, pushing, reports, verifying
from adapter.service.pushing import Pushed
from adapter.study import Study

REFERENCE = "nct05862675"
SUBJECTS, RESOURCES = 300, 15_000
TYPES = (
    "AdverseEvent Condition Consent DiagnosticReport Encounter Group Location Medication "
    "MedicationAdministration Observation Organization Patient Practitioner Procedure "
    "Questionnaire QuestionnaireResponse RelatedPerson ResearchStudy ResearchSubject Specimen"
).split()


@dataclass(slots=True)
class Demo:
    """What the demo found; ``failures`` is empty when everything is as it should be."""

    folder: Path
    mapped: MapResult
    planned: dict[str, int]
    first: Pushed
    second: Pushed
    verified: VerifyResult
    on_server: dict[str, int]
    report: Path
    failures: list[str] = field(default_factory=list)


def run(
    stack: ExitStack, out: Path, progress: Progress, say: Callable[[str], None], keep: bool
) -> tuple[Demo, EmbeddedServer]:
    """Map, check, plan, push, verify and push again, in a copy of the reference study.

    The FHIR files and the report go to ``out``; key, outbox and server stay in the copy.
    """
    folder = _copy(stack, keep)
    say(f"working in a copy of the reference study: {folder}")
    study = Study(folder, announce=say)
    server = stack.enter_context(EmbeddedServer(database=folder / "server.sqlite"))
    say(f"embedded FHIR server: {server.url}")
    mapping.check(study)
    mapped = map_study(study, progress)
    mapping.write_map(mapped, out / "fhir")
    with outboxes.open_outbox(study) as outbox:
        target = outboxes.server_of(study.settings.server(server.url))
        planned = plan(outbox, target, mapped.resources).counts
    first = pushing.push(study, server.url, progress=progress, mapped=mapped)
    verified = verifying.verify(study, server.url, progress=progress)
    second = pushing.push(study, server.url)
    demo = Demo(
        folder=folder,
        mapped=mapped,
        planned=dict(planned),
        first=first,
        second=second,
        verified=verified,
        on_server={kind: server.count(kind) for kind in mapped.counts},
        report=reports.write_report(mapped, out / "report.html"),
    )
    demo.failures = [*_expectations(demo)]
    return demo, server


def _copy(stack: ExitStack, keep: bool) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="study-fhir-demo-"))
    if not keep:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
    ignore = shutil.ignore_patterns(".study-fhir", "__pycache__", "*.py")
    copy = folder / REFERENCE
    shutil.copytree(shipped("examples") / REFERENCE, copy, ignore=ignore)
    return copy


def expected_rejects(folder: Path) -> set[tuple[str, int, str, str, str]]:
    """What faulty-rows.csv says must be rejected: (file, line, column, rule, effect)."""
    with (folder / "faulty-rows.csv").open(encoding="utf-8", newline="") as lines:
        return {
            (row["file"], int(row["line"]), row["column"], row["rule"], row["effect"])
            for row in csv.DictReader(lines)
        }


def _expectations(demo: Demo) -> list[str]:
    """Everything that is not as it should be, in words."""
    mapped, counts = demo.mapped, demo.mapped.counts
    found = {(r.file, r.line, r.column, r.rule, r.effect) for r in mapped.rejects}
    expected = expected_rejects(demo.folder)
    total = sum(counts.values())
    checks = [
        (found >= expected, f"{len(expected - found)} faulty rows were not reported"),
        (found <= expected, f"{len(found - expected)} good rows were rejected"),
        (counts.get("ResearchSubject", 0) >= SUBJECTS, f"fewer than {SUBJECTS} subjects"),
        (total >= RESOURCES, f"only {total} resources"),
        (all(counts.get(kind) for kind in TYPES), "a resource type is missing"),
        (not mapped.dropped, f"{len(mapped.dropped)} resources did not pass the gate"),
        (demo.planned.get("create") == total, "the plan does not create every resource"),
        (demo.first.result.dead == 0, f"{demo.first.result.dead} resources were refused"),
        (demo.first.result.created == total, "not every resource was created"),
        (demo.first.result.records > SUBJECTS, "Provenance of a subject is missing"),
        (demo.on_server == counts, "the server's counts differ from what was mapped"),
        (
            demo.verified.checked == total + demo.first.result.records,
            "not every resource could be read back",
        ),
        (not demo.verified.missing, f"{len(demo.verified.missing)} resources are missing"),
        (not demo.verified.different, f"{len(demo.verified.different)} resources differ"),
        (not demo.verified.dangling, f"{len(demo.verified.dangling)} references dangle"),
        (demo.second.result.writes == 0, f"second push wrote {demo.second.result.writes}"),
    ]
    return [text for good, text in checks if not good]
