"""Our profiles as packages, and on a server."""

from __future__ import annotations

from pathlib import Path

from adapter import outbox as box
from adapter import profiles
from adapter.mapping import Progress, silent
from adapter.service.outboxes import by_url, server_of
from adapter.study import Study


def build_profiles(out: Path) -> list[Path]:
    """Our profiles as FHIR NPM packages in a folder, one a release."""
    return profiles.build(out)


def push_profiles(
    server: str,
    study: Study | None = None,
    release: str | None = None,
    *,
    progress: Progress = silent,
) -> profiles.ProfilesPushed:
    """Write our definitions onto a server: one of the study's, or a base URL.

    Raises UsageError for a name that nothing says the URL of.
    """
    settings = study.settings.server(server) if study else by_url(server)
    release = release or (study.settings.fhir if study else "R4")
    transport = box.transport_to(server_of(settings))
    try:
        return profiles.push(transport, release, progress)
    finally:
        transport.close()
