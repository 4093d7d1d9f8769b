"""A server looked at before it is written to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapter import outbox as box
from adapter.errors import EXIT
from adapter.fhir.auth import client_key
from adapter.fhir.diagnosis import Diagnosis, diagnose
from adapter.fhir.probe import Probed, probe
from adapter.mapping import map_study
from adapter.outbox import Server
from adapter.service.outboxes import by_url, open_outbox, server_of
from adapter.settings import ServerSettings
from adapter.study import Study
from mappings.context import CANONICAL


@dataclass(frozen=True, slots=True)
class Examined:
    """A server looked at: what it shows, how each type would be sent, and what a probe found."""

    server: ServerSettings
    seen: Diagnosis
    probed: Probed | None
    strategies: dict[str, str]

    @property
    def exit(self) -> int:
        """3 when it takes nothing, 1 when it lacks what a push needs, else 0."""
        if self.probed and self.probed.is_refused:
            return EXIT.refused
        lacks = self.probed and (self.probed.lacks or self.probed.left)
        return EXIT.findings if lacks or self.seen.clock_is_off or not self.seen.may_read else 0

    def to_json(self) -> dict[str, Any]:
        """All of it, for a program."""
        return {
            "server": self.server.name,
            "url": self.server.url,
            "auth": self.server.auth.type,
            "exit": self.exit,
            **self.seen.to_json(),
            "strategies": self.strategies,
            "probe": self.probed.to_json() if self.probed else None,
        }


def examine(server: str, study: Study | None = None, *, with_probe: bool = False) -> Examined:
    """Look at a server of the study, or at a base URL; ``with_probe`` writes and deletes there.

    What a probe finds is remembered in the study's outbox. Raises ConfigurationError when the
    server speaks another release than the study.
    """
    if study is None:
        settings = by_url(server)
        return Examined(settings, *_looked_at(server_of(settings), None, "none", with_probe), {})
    settings = study.settings.server(server)
    target = server_of(settings)
    with open_outbox(study) as outbox:
        row = outbox.server_id(target)
        name = study.settings.study
        seen, found = _looked_at(target, study.settings.fhir, name, with_probe)
        lessons = box.Lessons(outbox, row)
        lessons.consider(seen.capability)
        lessons.probed(found.findings if found else ())
        known = {reference.partition("/")[0] for reference in outbox.known(row)}
    strategies = {each: lessons.strategy(each) for each in sorted(known or map_study(study).counts)}
    return Examined(settings, seen, found, strategies)


def _looked_at(
    target: Server, release: str | None, study: str, with_probe: bool
) -> tuple[Diagnosis, Probed | None]:
    transport = box.transport_to(target)
    try:
        seen = diagnose(transport, target.access, release)
        return seen, probe(transport, f"{CANONICAL}/study", study) if with_probe else None
    finally:
        transport.close()


def jwks(study: Study, server: str) -> dict[str, Any]:
    """The public key of ours that a server knows us by, to be registered there."""
    return client_key(study.settings.server(server)).jwks()
