"""What a push would do, against what the server holds now instead of what it acknowledged.

A plan that was made so and looked at is carried out so: what drifted is wanted again, over just
the version that the plan saw.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from adapter.fhir.json import content_hash, equal, normalised, without_server_meta
from adapter.fhir.writing import version_of
from adapter.outbox.changes import Server
from adapter.outbox.identity import recognise
from adapter.outbox.lessons import Lessons
from adapter.outbox.normalising import held_hash, remembered
from adapter.outbox.places import as_held
from adapter.outbox.planner import (
    NOTHING_ABSENT,
    Item,
    Plan,
    Seen,
    Wanted,
    differences,
    others,
    pages,
    step_of,
    still_wanted,
)
from adapter.outbox.reading import Reader
from adapter.outbox.run import Connect, Progress, transport_to
from adapter.outbox.store import Outbox
from adapter.outbox.vanished import Absence


def plan_live(
    outbox: Outbox,
    server: Server,
    resources: Iterable[Wanted],
    *,
    absence: Absence = NOTHING_ABSENT,
    with_values: bool = False,
    wait: float = 60,
    transport_factory: Connect = transport_to,
    progress: Progress = lambda *_: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Plan:
    """Compare with what the server holds now, as FHIR compares; reads everything, writes nothing.

    What was acknowledged and is gone is a create, what others changed is an update. Raises
    UnavailableError when the server is away for longer than ``wait`` seconds.
    """
    row = outbox.server_id(server)
    found = Plan(server.name, is_live=True)
    total = len(resources) if isinstance(resources, list) else 0
    transport = transport_factory(server)
    reader = Reader(transport, wait, clock, sleep, Lessons(outbox, row).reading)
    looked = _Look(outbox, row, reader, with_values)
    seen, done = Seen(), 0
    try:
        recognise(outbox, row, server, transport, reader.ask)
        for page in pages(still_wanted(resources, outbox.withdrawn(row))):
            wanted = {each.reference: each for each in page}
            seen.add(wanted)
            looked.compare(wanted, found)
            done += len(page)
            progress("plan", done, max(total, done))
    finally:
        transport.close()
    found.items += others(outbox.held_or_wanted(row), seen, absence)
    return found


class _Look:
    """Looks at what a server holds, page by page."""

    def __init__(self, outbox: Outbox, row: int, reader: Reader, with_values: bool):
        self._outbox, self._row = outbox, row
        self._reader, self._with_values = reader, with_values
        self._places = outbox.places(row)

    def compare(self, wanted: dict[str, Wanted], found: Plan) -> None:
        """Put what becomes of these into the plan."""
        there = self._there(list(wanted))
        known = self._outbox.standing(self._row, wanted.keys())
        usual = remembered(self._outbox, self._row, wanted)
        for reference, each in wanted.items():
            digest = each.digest
            step, held = step_of(known.get(reference), digest), there.get(reference)
            ours = as_held(each.resource, self._places, reference)
            if step is None:
                continue  # given up until its content changes
            if held is None:
                found.items.append(Item("create", reference, digest))
            elif not equal(held, ours) and usual.get(reference) != held_hash(held):
                # what only looks different, such as 1.10 and 1.1, is no difference on a server
                found.items.append(self._update(each, held, normalised(held), normalised(ours)))
            elif step == "update":  # in the source it is one, and a push sends it
                found.items.append(self._update(each, held, without_server_meta(held), ours))
            else:
                found.unchanged += 1

    def _update(self, wanted: Wanted, held: dict[str, Any], before: Any, after: Any) -> Item:
        return Item(
            "update",
            wanted.reference,
            wanted.digest,
            held=content_hash(normalised(held)),
            version=version_of(held),
            changes=tuple(differences(before, after, self._with_values)),
        )

    def _there(self, references: list[str]) -> dict[str, dict[str, Any]]:
        names = {self._places.get(reference, reference): reference for reference in references}
        return {names[place]: resource for place, resource in self._reader.read(names).items()}


def agree(outbox: Outbox, server: Server, plan: Plan) -> None:
    """Want what a live plan found to have drifted, so that a push carries out just this plan.

    What others changed is written over, but only the version that the plan saw; the ledger says
    so.
    """
    row = outbox.server_id(server)
    items = {item.reference: item for item in plan.items if item.action in ("create", "update")}
    changes = outbox.known(row, items)
    overwriting = []
    for reference, change in sorted(changes.items()):
        seen = items[reference].version
        if items[reference].action == "create":
            change.acked_hash = None
        elif change.version != seen:
            overwriting.append(reference)
        change.version = seen
        change.state = "new" if change.state == "done" else change.state
    said = {"agreed": plan.digest, "overwriting": overwriting}
    outbox.mark(row, list(changes.values()), said=said)
