"""What must hold after every scenario, whatever went wrong."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from adapter.fhir.json import equal
from adapter.mapped import Mapped
from adapter.outbox import Outbox, Server
from adapter.outbox.places import as_held
from tests.faults.server import Store
from tests.faults.study import CANARY, TOKEN

STATES = {"new", "sent", "unknown", "done", "dead", "parked", "dropped", "withdrawn"}


def nothing_lost(outbox: Outbox, server: Server, wanted: Sequence[Mapped], store: Store) -> None:
    """I1: each change is in one state, and what is called done is on the server as acknowledged."""
    known = outbox.known(outbox.server_id(server))
    assert {item.reference for item in wanted} <= known.keys()
    for item in wanted:
        change = known[item.reference]
        assert change.state in STATES
        if change.state == "done":
            assert store.latest(change.place or item.reference) is not None, item.reference


def nothing_doubled(store: Store) -> None:
    """I2: one resource an identifier."""
    held = [store.latest(place) for place in store.versions]
    given = Counter(
        (one["system"], one["value"])
        for resource in held
        if resource
        for one in resource.get("identifier", [])
    )
    assert [each for each, count in given.items() if count > 1] == []


def nothing_stale(
    outbox: Outbox, server: Server, wanted: Sequence[Mapped], store: Store, but: frozenset[str]
) -> None:
    """I3: the server holds what was wanted last; ``but`` are those that may differ."""
    places = outbox.places(outbox.server_id(server))
    for item in wanted:
        if item.reference in but:
            continue
        held = store.latest(places.get(item.reference, item.reference))
        assert held is not None, item.reference
        assert equal(held, as_held(item.resource, places, item.reference)), item.reference


def nothing_leaked(database: Path, *texts: str) -> None:
    """I5: no value and no secret in what was said, nor in any text of the outbox."""
    said = [*texts, *_texts(database)]
    for secret in (CANARY, TOKEN):
        assert [text for text in said if secret in text] == []


def _texts(database: Path) -> list[str]:
    """Every text that the outbox holds, but the contents that it is there to send."""
    with sqlite3.connect(database) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        rows = [row for table in tables for row in db.execute(f'SELECT * FROM "{table}"')]  # noqa: S608
    db.close()
    return [cell for row in rows for cell in row if isinstance(cell, str)]
