"""What a server taught us: how it takes writes, how much at once, and the ids it gave.

What it says about itself comes first (``fhir/capability.py``), what it does counts more; both are
kept in the outbox, so that the next run begins where this one ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from adapter.fhir.bundles import MAX_BYTES, MAX_ENTRIES, Limits, Reading
from adapter.fhir.capability import Capability

if TYPE_CHECKING:
    from adapter.fhir.probe import Finding
    from adapter.outbox.store import Outbox

RECORD_TYPES = ("Provenance", "AuditEvent")
FEW, LARGE = 20, 50_000  # entries and bytes of a Bundle that is refused for its bytes
# A server that carries out a full Bundle in so many seconds is given twice as much, up to so many
# entries: by then, most of the time is ours. Others are not: a Bundle is a transaction that locks
# what it writes.
QUICK, MANY_ENTRIES = 0.1, 4 * MAX_ENTRIES


class Lessons:
    """What is known of one server; each lesson is written down when it is learnt."""

    def __init__(self, outbox: Outbox, row: int):
        self._outbox, self._row = outbox, row
        known = outbox.learnt(row)
        self.kind = known.get("write", "transaction")
        most = 1 if known.get("read") == "single" else int(known.get("read-entries", MAX_ENTRIES))
        self.reading = Reading(most, self._learn)
        self.takes_bundles = "bundle" in known
        self.most_taken = 0  # entries of a Bundle that was carried out whole, in this run
        self._most_entries = int(known.get("max-entries", MAX_ENTRIES))
        self._is_limited = "max-entries" in known  # or was too slow in this run
        entries = min(self._most_entries, int(known.get("slow-entries", MAX_ENTRIES)))
        self.limits = Limits(entries, int(known.get("max-bytes", MAX_BYTES)))
        self.conditional = {n.partition(":")[2] for n in known if n.startswith("conditional:")}
        self._gives_ids = bool(self.conditional)  # as it was seen to; one may say so of a few types
        versions = ("probe:if-match-stale", "probe:if-match-bundle")
        self.ignores_versions = "no" in (known.get(name) for name in versions)
        self.places = outbox.places(row)
        self.ignores_conditions = known.get("probe:if-none-exist") == "no"
        self.closed: frozenset[str] = frozenset()  # types that are read at most, says the server
        self.capability: Capability | None = None

    def begin_run(self) -> None:
        """Slow once is not slow for ever: begin with twice what the run before came down to."""
        if self.limits.entries < self._most_entries:
            twice = min(2 * self.limits.entries, self._most_entries)
            self.limits = Limits(twice, self.limits.size)
            self._learn("slow-entries", str(twice))

    def consider(self, capability: Capability) -> None:
        """Take over what the server says about itself."""
        self.capability = capability
        if self.kind != "single" and capability.bundles and "transaction" not in capability.bundles:
            self.kind = "batch"
        self.closed = frozenset(n for n, one in capability.types.items() if one.is_closed)
        for name, one in capability.types.items():
            if one.update_create is False:
                self.conditional.add(name)

    def strategy(self, resource_type: str) -> str:
        """How a first write of this type would be sent, in words."""
        if self.capability and self.capability.of(resource_type).is_closed:
            return "not at all: read only, says the server"
        own = resource_type in self.conditional
        if self.kind == "single":
            return "conditional create, one by one" if own else "PUT, one by one"
        return f"PUT in a {self.kind}" + (", else conditional create" if own else "")

    def probed(self, findings: Iterable[Finding]) -> None:
        """Remember what a probe found, for the next run and for ``status``."""
        for finding in findings:
            self._learn(f"probe:{finding.name}", finding.answer)

    def too_much(self, entries: int, size: int, status: int) -> None:
        """A bundle was refused, and both its halves were not: it was too large.

        413 is said of bytes; where as many entries were taken before, or a few large ones are
        refused, it is the bytes.
        """
        is_few = entries <= self.most_taken or (entries <= FEW and size >= LARGE)
        if status == 413 and is_few:
            if size // 2 < self.limits.size:
                self.limits = Limits(self.limits.entries, size // 2)
                self._learn("max-bytes", str(size // 2))
            return
        half = max(1, entries // 2)
        if half < self.limits.entries:
            self.limits = Limits(half, self.limits.size)
            self._most_entries, self._is_limited = half, True
            self._learn("max-entries", str(half))

    def too_slow(self, entries: int) -> None:
        """There was no answer to a bundle in time: less at once, until the next run."""
        half = max(1, entries // 2)
        self._is_limited = True
        if half < self.limits.entries:
            self.limits = Limits(half, self.limits.size)
            self._learn("slow-entries", str(half))

    def bundle_taken(self, entries: int = 0, seconds: float = QUICK) -> None:
        """The server carried out a Bundle of so many entries in so many seconds: it takes them.

        Where it is quick, the next may be larger, in this run; but not over a limit that it has.
        """
        self.most_taken = max(self.most_taken, entries)
        is_full = 2 * entries > self.limits.entries >= MAX_ENTRIES
        if seconds < QUICK and is_full and not self._is_limited:
            twice = min(2 * self.limits.entries, MANY_ENTRIES)
            self.limits = Limits(twice, self.limits.size)
        if not self.takes_bundles:
            self.takes_bundles = True
            self._learn("bundle", "yes")

    def no_bundles(self) -> None:
        """The server takes no Bundle: everything is written alone from now on."""
        self.kind = "single"
        self._learn("write", "single")

    @property
    def takes_records(self) -> bool:
        """Whether Provenance and AuditEvent can be sent: to a place of ours, of types it lists."""
        stated = self.capability.types if self.capability else {}
        listed = not stated or all(
            name in stated and not stated[name].is_closed for name in RECORD_TYPES
        )
        return listed and not self._gives_ids and self.conditional.isdisjoint(RECORD_TYPES)

    def creates_conditionally(self, resource_type: str) -> bool:
        """Whether the server gives ids of its own to resources of a type."""
        return resource_type in self.conditional

    def searches_first(self, resource_type: str) -> bool:
        """Whether a condition on a create is not heeded, by what it says or a probe found."""
        stated = self.capability.of(resource_type) if self.capability else None
        return self.ignores_conditions or bool(stated and stated.conditional_create is False)

    def finds(self, resource_type: str) -> bool:
        """Whether the server can find one of a type by its identifier.

        What it says of a type's searches is believed; where it says none, the release's own
        parameters hold: AdverseEvent has no identifier to search by before R5.
        """
        stated = self.capability or Capability()
        search = stated.of(resource_type).search
        return (
            "identifier" in search
            if search
            else (resource_type != "AdverseEvent" or stated.release == "R5")
        )

    def creates_only_conditionally(self, resource_type: str) -> None:
        """The server refused an id of ours: it gives its own."""
        self._gives_ids = True
        self.conditional.add(resource_type)
        self._learn(f"conditional:{resource_type}", "yes")

    def _learn(self, name: str, value: str) -> None:
        self._outbox.learn(self._row, name, value)
