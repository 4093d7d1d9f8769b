"""Does the server still hold what it acknowledged, and does every reference resolve?"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from adapter.fhir.json import equal
from adapter.fhir.order import is_literal, references
from adapter.outbox.changes import Server
from adapter.outbox.lessons import Lessons
from adapter.outbox.normalising import tell_apart
from adapter.outbox.places import as_held
from adapter.outbox.reading import Reader
from adapter.outbox.run import Connect, Progress, transport_to
from adapter.outbox.store import Outbox

PAGE = 200


@dataclass(slots=True)
class VerifyResult:
    """References (``Type/id``) by what was found."""

    checked: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    dangling: list[str] = field(default_factory=list)
    requeued: int = 0
    normalised: int = 0  # held otherwise by the server's own doing, and told for the first time
    normalises: Counter[str] = field(default_factory=Counter)  # how many by element path

    @property
    def is_in_step(self) -> bool:
        """Whether the server holds everything as it was acknowledged."""
        return not (self.missing or self.different or self.dangling)

    def to_json(self) -> dict[str, Any]:
        """The references by what was found, and counts."""
        return {"checked": self.checked, "missing": self.missing, "different": self.different,
                "dangling": self.dangling, "requeued": self.requeued,
                "normalised": self.normalised, "normalises": dict(self.normalises)}  # fmt: skip


def verify(
    outbox: Outbox,
    server: Server,
    *,
    wait: float = 60,
    transport_factory: Connect = transport_to,
    progress: Progress = lambda *_: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> VerifyResult:
    """Read back everything acknowledged and compare it as FHIR does. Writes nothing to the server.

    What is gone or was changed by others is wanted again: the next push restores what is gone, and
    reports what others changed instead of overwriting it. What the server itself made of our
    content is told once, and is no difference. Raises UnavailableError when the server is away for
    longer than ``wait`` seconds; what was found until then is wanted again all the same.
    """
    row = outbox.server_id(server)
    result = VerifyResult()
    transport = transport_factory(server)
    reader = Reader(transport, wait, clock, sleep, Lessons(outbox, row).reading)
    try:
        with outbox.run(row, "verify") as counts:
            try:
                _compare(outbox, row, reader, result, progress)
                if result.checked > len(result.missing) and outbox.moved_from(row, server):
                    outbox.move(row, server)
            finally:
                lost = [*result.missing, *result.different]
                result.requeued = outbox.requeue(row, lost, gone=result.missing)
                counts.update(
                    checked=result.checked, missing=len(result.missing),
                    different=len(result.different), dangling=len(result.dangling),
                    normalised=result.normalised,
                )  # fmt: skip
    finally:
        transport.close()
    return result


def _compare(
    outbox: Outbox, row: int, reader: Reader, result: VerifyResult, progress: Progress
) -> None:
    places = outbox.places(row)
    total = outbox.count(row, "done")
    held: set[str] = set()
    targets: set[str] = set()
    for page in _pages(outbox.held(row)):
        names = {places.get(name, name): name for name in page}
        found = reader.read(list(names))
        otherwise = {}
        for place, name in names.items():
            result.checked += 1
            if place not in found:
                result.missing.append(name)
                continue
            held.add(place)
            targets.update(filter(is_literal, references(found[place])))
            sent = as_held(page[name], places, name)
            if not equal(found[place], sent):
                otherwise[name] = (sent, found[place])
        told = tell_apart(outbox, row, otherwise)
        result.different += told.different
        result.normalised += told.normalised
        result.normalises += told.paths
        progress("verify", result.checked, total)
    # what was refused or given up since may be there all the same, in an earlier version
    result.dangling = sorted(reader.absent(targets - held))


def _pages(held: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[dict[str, dict[str, Any]]]:
    every = iter(held)
    while page := dict(islice(every, PAGE)):
        yield page
