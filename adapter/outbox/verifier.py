"""Does the server still hold what it acknowledged, and does every reference resolve?"""

from __future__ import annotations

from dataclasses import dataclass, field

from adapter.fhir.bundles import entries_read, reading
from adapter.fhir.json import equal
from adapter.fhir.order import is_literal, references
from adapter.outbox.relay import Connect, Progress, connect
from adapter.outbox.store import Outbox, Server

PAGE = 200


@dataclass(slots=True)
class VerifyResult:
    """References (``Type/id``) by what was found."""

    checked: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    dangling: list[str] = field(default_factory=list)


def verify(
    outbox: Outbox,
    server: Server,
    *,
    transport_factory: Connect = connect,
    progress: Progress = lambda *_: None,
) -> VerifyResult:
    """Read back everything acknowledged and compare it as FHIR does. Writes nothing."""
    row = outbox.server_id(server)
    wanted = outbox.contents(row)
    result = VerifyResult()
    held: set[str] = set()
    targets: set[str] = set()
    transport = transport_factory(server)
    try:
        with outbox.run(row, "verify") as counts:
            names = sorted(wanted)
            for start in range(0, len(names), PAGE):
                page = names[start : start + PAGE]
                found = entries_read(page, transport.post(reading(page)).body)
                for name in page:
                    result.checked += 1
                    if name not in found:
                        result.missing.append(name)
                        continue
                    held.add(name)
                    targets.update(filter(is_literal, references(found[name])))
                    if not equal(found[name], wanted[name]):
                        result.different.append(name)
                progress("verify", min(start + PAGE, len(names)), len(names))
            result.dangling = sorted(targets - held)
            counts.update(
                checked=result.checked, missing=len(result.missing),
                different=len(result.different), dangling=len(result.dangling),
            )  # fmt: skip
    finally:
        transport.close()
    return result
