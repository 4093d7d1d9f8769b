"""Is it the same server still? A port may change; what was acknowledged must be there all the same.

https://hl7.org/fhir/R4/http.html#read
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, TypeAlias

from adapter.errors import OutboxError, Where
from adapter.fhir.bundles import read_all
from adapter.fhir.transport import Transport
from adapter.outbox.changes import Server
from adapter.outbox.store import Outbox

SAMPLE = 20  # resources that are looked for
Patiently: TypeAlias = Callable[[Callable[[], Any]], Any]


def recognise(
    outbox: Outbox,
    row: int,
    server: Server,
    transport: Transport,
    patiently: Patiently = lambda ask: ask(),
) -> None:
    """Take over the new port of a server that holds something of what it acknowledged.

    Costs nothing while the address is as before. Raises OutboxError when nothing of it is there,
    and what the transport raises; ``patiently`` asks until there is an answer.
    """
    before = outbox.moved_from(row, server)
    if before is None:
        return
    held = (
        change.place or change.reference
        for change in outbox.held_or_wanted(row)
        if change.acked_hash and change.action == "put"
    )
    places = list(islice(held, SAMPLE))
    if places and not patiently(lambda: read_all(transport, places)):
        raise OutboxError(
            f"{server.url} holds nothing of what {server.name!r} acknowledged at {before}",
            where=Where(file=outbox.where),
            hint="another server needs another name in study.yaml; if it is the same one and lost "
            "what it held, `verify` finds that, and the push after it sends everything again",
        )
    outbox.move(row, server)
