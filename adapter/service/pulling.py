"""A cohort read from an EHR."""

from __future__ import annotations

from pathlib import Path

from adapter import outbox as box
from adapter.errors import ConfigurationError, Where
from adapter.mapping import Progress, silent
from adapter.pull import Pulled
from adapter.pull import pull as pull_cohort
from adapter.service.outboxes import server_of
from adapter.study import Study


def pull(
    study: Study, server: str, out: Path, *, wait: float = 60, progress: Progress = silent
) -> Pulled:
    """Read the cohort of ``pull`` in study.yaml from an EHR into a folder, as personal data.

    Writes nothing to the server. Raises ConfigurationError when study.yaml has no ``pull``; what
    stopped a pull that had begun stands in its result, and what was read is kept.
    """
    settings = study.settings.pull
    if settings is None:
        raise ConfigurationError(
            "study.yaml does not say what to pull",
            where=Where(file=str(study.folder / "study.yaml")),
            hint="add pull: with patients and types; docs/pull.md has an example",
        )
    named = study.settings.server(server)
    transport = box.transport_to(server_of(named))
    try:
        return pull_cohort(
            settings,
            transport,
            state=study.folder / ".study-fhir" / "pull.sqlite",
            out=out,
            study=study.settings.study,
            server=named.name,
            wait=wait,
            progress=progress,
        )
    finally:
        transport.close()
