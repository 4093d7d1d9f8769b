"""The outbox of a study, and its servers as the outbox wants them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapter import outbox as box
from adapter.errors import UsageError
from adapter.fhir.auth import access_to
from adapter.fhir.omit import Omission
from adapter.outbox import Outbox, Server
from adapter.settings import ServerSettings
from adapter.study import Study
from adapter.urls import base_of


def open_outbox(study: Study) -> Outbox:
    """The study's outbox; its marker stays in the study folder, wherever the outbox is.

    Raises OutboxError when it belongs to another study, key or release, or is not as it was left.
    """
    at = study.settings.outbox
    name = at if isinstance(at, Path) else Path("postgresql.sqlite")
    return Outbox.open(
        at,
        study=study.settings.study,
        release=study.settings.fhir,
        key_fingerprint=study.key_fingerprint,
        marker=box.marker_of(study.folder / ".study-fhir" / name.name),
    )


def server_of(server: ServerSettings) -> Server:
    """The server as the outbox wants it: name, URL and how it is reached."""
    return Server(server.name, server.url, access_to(server))


def by_url(server: str) -> ServerSettings:
    """A server by its base URL. Raises UsageError for a name."""
    if not server.startswith(("http://", "https://")):
        raise UsageError(
            f"{server!r} is no base URL",
            hint="give the study too, whose study.yaml names the server",
        )
    return ServerSettings(name=server, url=base_of(server))


def omission_of(server: ServerSettings) -> Omission:
    """What study.yaml spares a server."""
    return Omission(server.omit_extensions, server.omit_codings, server.omit_meta_profile)


def records_of(study: Study, server: ServerSettings) -> box.Records | None:
    """What makes the records of a run, or None where the server is spared them."""
    return None if server.omit_records else box.Records(study.context, omission_of(server))


def status(study: Study) -> dict[str, Any]:
    """What the outbox knows: changes by server, type and state, and the last runs."""
    with open_outbox(study) as outbox:
        return box.status(outbox)
