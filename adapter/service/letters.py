"""What a server refused, and what to do about it."""

from __future__ import annotations

from typing import Any

from adapter import outbox as box
from adapter.mapping import map_study
from adapter.service.outboxes import open_outbox, server_of
from adapter.study import Study


def dead_letters(study: Study, server: str) -> list[box.DeadLetter]:
    """What a server refused, with the reasons; no values."""
    with open_outbox(study) as outbox:
        return box.dead_letters(outbox, server_of(study.settings.server(server)))


def dead_letter(
    study: Study, server: str, reference: str, with_values: bool = False
) -> dict[str, Any]:
    """One refused resource: the reason, and the places its values came from."""
    with open_outbox(study) as outbox:
        letter = box.dead_letter(outbox, server_of(study.settings.server(server)), reference)
    places = [
        {"source": origin.source, "line": origin.line, "columns": list(origin.columns)}
        for each in map_study(study).resources
        if each.reference == reference
        for origin in each.origins
    ]
    hint = {"hint": profiles_hint(server)} if letter.needs_profiles else {}
    return {**letter.to_json(with_values), **hint, "places": places}


def profiles_hint(server: str) -> str:
    """What to do about a server that refuses a profile because it does not know it."""
    return (
        "the server does not know our profiles: "
        f"`study-fhir profiles push --study STUDY --server {server}` first, where it takes "
        "definitions, or `meta-profile: omit` for it in study.yaml"
    )


def retry(study: Study, server: str, references: tuple[str, ...] = ()) -> int:
    """Want refused resources again, all without a name; returns how many."""
    with open_outbox(study) as outbox:
        return box.retry(outbox, server_of(study.settings.server(server)), references)


def drop(study: Study, server: str, reference: str, reason: str) -> None:
    """Give a refused resource up, with a reason, until its content changes."""
    with open_outbox(study) as outbox:
        box.drop(outbox, server_of(study.settings.server(server)), reference, reason)
