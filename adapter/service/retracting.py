"""One subject withdrawn."""

from __future__ import annotations

from pathlib import Path

from adapter import outbox as box
from adapter.errors import UsageError, Where
from adapter.mapping import map_study
from adapter.service.outboxes import open_outbox, records_of, server_of
from adapter.settings import read_secret
from adapter.study import Study


def subject_of(study: Study, record_file: Path) -> str:
    """The pseudonymous id of the subject whose key, as the sources have it, a file holds."""
    record = read_secret(record_file)
    if "\n" in record:
        raise UsageError(
            "the record file holds more than one line",
            where=Where(file=str(record_file)),
            hint="one record number, as the sources have it; one subject at a time",
        )
    return study.context.id("Patient", (record,))


def retract(study: Study, subject: str, server: str, *, wait: float = 60) -> box.Retraction:
    """Withdraw one subject, by the id of its Patient or ``Patient/<id>``, with proof.

    One of the study of whom nothing was sent yet is blocked, so that nothing ever is. Raises
    UsageError for anybody else, UnavailableError after ``wait`` seconds.
    """
    settings = study.settings.server(server)
    target, name = server_of(settings), subject.removeprefix("Patient/")
    with open_outbox(study) as outbox:
        if not box.knows(outbox, target, name) and _is_mapped(study, name):
            return box.block(outbox, target, name)
        return box.retract(
            outbox,
            target,
            name,
            release=study.settings.fhir,
            wait=wait,
            records=records_of(study, settings),
        )


def _is_mapped(study: Study, subject: str) -> bool:
    return bool(subject) and any(each.subject == subject for each in map_study(study).resources)
