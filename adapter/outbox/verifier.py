"""Does the server still hold what it acknowledged, and does every reference resolve?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from adapter.fhir.bundles import read_all
from adapter.fhir.json import equal
from adapter.fhir.order import is_literal, references
from adapter.outbox.lessons import Lessons
from adapter.outbox.normalising import tell_apart
from adapter.outbox.relay import Connect, Progress, as_held, connect
from adapter.outbox.store import Outbox, Server

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


def verify(
    outbox: Outbox,
    server: Server,
    *,
    transport_factory: Connect = connect,
    progress: Progress = lambda *_: None,
) -> VerifyResult:
    """Read back everything acknowledged and compare it as FHIR does. Writes nothing to the server.

    What is gone or was changed by others is wanted again: the next push restores what is gone, and
    reports what others changed instead of overwriting it. What the server itself made of our
    content is told once, and is no difference.
    """
    row = outbox.server_id(server)
    places, reading = outbox.places(row), Lessons(outbox, row).reading
    result = VerifyResult()
    held: set[str] = set()
    targets: set[str] = set()
    transport = transport_factory(server)
    total = outbox.count(row, "done")
    try:
        with outbox.run(row, "verify") as counts:
            for page in _pages(outbox.held(row)):
                names = {places.get(name, name): name for name in page}
                found = read_all(transport, list(names), reading)
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
            result.dangling = sorted(targets - held)
            if held and outbox.moved_from(row, server):
                outbox.move(row, server)
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


def _pages(held: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[dict[str, dict[str, Any]]]:
    every = iter(held)
    while page := dict(islice(every, PAGE)):
        yield page
