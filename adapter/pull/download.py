"""The files of a bulk export, read line by line into the store; our token goes to no other host.

https://hl7.org/fhir/uv/bulkdata/export.html#bulk-data-output-file-request
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from adapter.errors import AuthenticationError
from adapter.fhir.links import ForeignLinkError, absolute, own_link
from adapter.fhir.transport import Refusal, Transport
from adapter.pull.jobs import File, Job, Jobs
from adapter.pull.manifest import DELETED, OUTPUT
from adapter.pull.ndjson import LINE_BYTES, Line, resources
from adapter.pull.sieve import Sieve
from adapter.pull.store import Store
from adapter.pull.summary import Pulled

BATCH_LINES, BATCH_BYTES = 500, 4_000_000  # kept in one transaction
SHOWN = 20  # faults of one file
PLACE = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9.-]{1,64})")


@dataclass(slots=True)
class _Reading:
    """One file while it is read: lines with something on them, and what was wrong."""

    lines: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)
    faulty: int = 0

    def fault(self, number: int, reason: str) -> None:
        self.faulty += 1
        if len(self.faults) < SHOWN:
            self.faults.append((number, reason))


class Downloads:
    """Reads the files of one export."""

    def __init__(
        self,
        store: Store,
        jobs: Jobs,
        transport: Transport,
        sieve: Sieve,
        pulled: Pulled,
        types: tuple[str, ...],
    ):
        self._store, self._jobs, self._transport = store, jobs, transport
        self._sieve, self._pulled, self._types = sieve, pulled, types

    def place(self, file: File, line: int | None = None) -> str:
        """What a file is called in messages: its address may hold a key to it."""
        name = file.type if file.kind == OUTPUT else file.kind
        return f"{name}.{file.number}.ndjson" + (f":{line}" if line else "")

    def read(self, job: Job, file: File) -> bool:
        """Read a file; returns whether it is whole: no bad line, and as many as were promised.

        Raises Refusal where the server gives no file, ForeignLinkError where ours is not to go.
        """
        reading = _Reading()
        lines = resources(self._bytes(job, file), file.type, LINE_BYTES)
        if file.kind == OUTPUT:
            self._output(file, lines, reading)
        elif file.kind == DELETED:
            self._deleted(lines, reading)
        else:
            self._outcomes(job, file, lines, reading)
        for number, reason in reading.faults:
            self._pulled.problem(file.type, self.place(file, number), reason)
        if reading.faulty > SHOWN:
            more = f"and {reading.faulty - SHOWN:,} more lines"
            self._pulled.problem(file.type, self.place(file), more)
        if file.count is not None and file.count != reading.lines:
            said = f"{reading.lines:,} lines, where the manifest counts {file.count:,}"
            self._pulled.problem(file.type, self.place(file), said)
            return False
        return not reading.faulty

    def _bytes(self, job: Job, file: File) -> Iterator[bytes]:
        base = self._transport.base_url
        link = absolute(base, file.link)
        try:
            own_link(base, link)
        except ForeignLinkError:
            yield from self._of_others(job, link)
        else:
            # where the manifest says nothing, it is our own server that asks for our token
            yield from self._transport.download(link, with_token=job.needs_token is not False)

    def _of_others(self, job: Job, link: str) -> Iterator[bytes]:
        if job.needs_token is not False:
            raise ForeignLinkError(
                "the file is at another origin and wants our token: it goes nowhere else",
                hint="files elsewhere are read where the export says requiresAccessToken: false",
            )
        other = self._transport.stranger(link)
        try:
            yield from other.download(link, with_token=False)
        except AuthenticationError:
            raise Refusal(403) from None  # nobody asked who we are there: the address has ended
        finally:
            self._transport.requests += other.requests
            other.close()

    def _output(self, file: File, lines: Iterator[Line], reading: _Reading) -> None:
        wanted = file.type if file.type in self._types else ""
        batch, size = [], 0
        for line in _good(lines, reading):
            batch.append(self._sieve.judge(line.resource or {}, wanted))
            size += line.size
            if any(each.replaced_by for each in batch[-1:]):
                merged = "merged: another Patient stands for this one"
                self._pulled.problem(file.type, self.place(file, line.number), merged)
            if len(batch) >= BATCH_LINES or size >= BATCH_BYTES:
                self._pulled.add(self._store.take(batch))
                batch, size = [], 0
        self._pulled.add(self._store.take(batch))

    def _deleted(self, lines: Iterator[Line], reading: _Reading) -> None:
        for line in _good(lines, reading):
            places = _deletions(line.resource or {})
            if places is None:
                reading.fault(line.number, "no transaction of deletions")
            else:
                self._pulled.add(self._store.delete(places))

    def _outcomes(self, job: Job, file: File, lines: Iterator[Line], reading: _Reading) -> None:
        """What the server could not export; remarks of a lighter kind are none of it."""
        bad = 0
        for line in _good(lines, reading):
            issues = (line.resource or {}).get("issue")
            issues = issues if isinstance(issues, list) and issues else [{}]
            grave = [i for i in issues if _severity(i) not in ("warning", "information")]
            bad += len(grave)
        if bad or reading.faulty:
            self._jobs.is_partial(job)
            said = f"the server says that the export is partial: {bad:,} errors"
            self._pulled.problem("", self.place(file), said)


def _good(lines: Iterator[Line], reading: _Reading) -> Iterator[Line]:
    """The lines that hold what they should; the others are noted."""
    for line in lines:
        reading.lines += 1
        if line.resource is None:
            reading.fault(line.number, line.fault)
        else:
            yield line


def _severity(issue: Any) -> str:
    return str(issue.get("severity")) if isinstance(issue, dict) else ""


def _deletions(bundle: dict[str, Any]) -> list[tuple[str, str]] | None:
    """The type and id of everything that a Bundle says is deleted, or None when it says else."""
    entries = bundle.get("entry", [])
    if bundle.get("type") != "transaction" or not isinstance(entries, list):
        return None
    places = []
    for entry in entries:
        request = entry.get("request") if isinstance(entry, dict) else None
        request = request if isinstance(request, dict) else {}
        match = PLACE.fullmatch(str(request.get("url")))
        if request.get("method") != "DELETE" or match is None:
            return None
        places.append((match[1], match[2]))
    return places
