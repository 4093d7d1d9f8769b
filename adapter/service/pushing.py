"""A push: the study mapped, and a server brought in step with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapter import outbox as box
from adapter.errors import EXIT
from adapter.fhir.omit import reduced
from adapter.mapping import MapResult, Progress, map_study, silent
from adapter.outbox import Outbox, Plan, PushResult, Server
from adapter.service.mapping import exit_of
from adapter.service.outboxes import omission_of, open_outbox, records_of, server_of
from adapter.service.planning import absence_of, agreed
from adapter.study import Study


@dataclass(frozen=True, slots=True)
class Pushed:
    """A push with the mapping that it carried over."""

    mapped: MapResult
    result: PushResult
    ignores_versions: bool = False  # the server, as a probe found
    needs_profiles: bool = False  # it refused a profile that it does not know
    kept: tuple[str, ...] = ()  # vanished, and something that stays refers to it

    @property
    def exit(self) -> int:
        """3 when resources were refused, 1 for too many rejects and what stays, else 0."""
        if self.result.dead or self.result.parked:
            return EXIT.refused
        return EXIT.findings if self.kept else exit_of(self.mapped)

    def to_json(self) -> dict[str, Any]:
        """Counts only: nothing of a subject."""
        return {
            "study": self.mapped.study.settings.study,
            "exit": self.exit,
            "rejected": len(self.mapped.rejects),
            "resources": self.mapped.counts,
            "push": self.result.to_json(),
            "omitted": dict(self.result.omitted),
            "kept": list(self.kept),
        }


def push(
    study: Study,
    server: str,
    *,
    wait: float = 60,
    progress: Progress = silent,
    mapped: MapResult | None = None,
    planned: Path | None = None,
    allow: bool = False,
) -> Pushed:
    """Bring the server in step with the study; only changes are sent, each with proof.

    ``allow`` lets more than 5 % go that vanished from full exports. With ``planned``, a file that
    ``plan --out`` wrote, exactly that plan is carried out, a live one over what the server holds:
    raises UsageError when the study or the server has moved on since. Raises UnavailableError when
    the server is not back within ``wait`` seconds (all is kept).
    """
    settings = study.settings.server(server)
    target = server_of(settings)
    omitted: Counter[str] = Counter()
    with open_outbox(study) as outbox:
        if mapped is None:
            study.passed |= outbox.accepted(target)  # it passed the gate before it was sent
            mapped = map_study(study, progress)
        wanted = list(reduced(mapped.resources, omission_of(settings), omitted))
        absence = absence_of(mapped)
        now = None
        if planned:
            now = agreed(planned, outbox, target, wanted, absence, wait, progress)
        elif any(policy != "report" for policy in absence.policies.values()):
            now = box.plan(outbox, target, wanted, absence=absence)
        kept = _prepare(outbox, target, now, absence, allow) if now else ()
        box.recall(outbox, target, wanted, absence)
        result = box.push(
            outbox,
            target,
            wanted,
            release=study.settings.fhir,
            wait=wait,
            workers=settings.connections,
            progress=progress,
            records=records_of(study, settings),
        )
        lessons = box.Lessons(outbox, outbox.server_id(target))
        letters = box.dead_letters(outbox, target) if result.dead else []
    result.omitted = omitted
    unknown = any(letter.needs_profiles for letter in letters)
    return Pushed(mapped, result, lessons.ignores_versions, unknown, kept)


def _prepare(
    outbox: Outbox, target: Server, now: Plan, absence: box.Absence, allow: bool
) -> tuple[str, ...]:
    """Want what the plan says beyond the mapped: what vanished, and what drifted.

    Returns what vanished and stays.
    """
    gone = [item.reference for item in now.items if item.action == "vanished"]
    vanished = box.vanish(outbox, target, gone, absence, allow)
    if now.is_live:
        box.agree(outbox, target, now)
    return vanished.kept


def push_study(
    folder: Path, server: str, announce: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """One push of a study folder, as the web service runs it; the summary holds counts only."""
    return push(Study(folder, announce=announce), server).to_json()
