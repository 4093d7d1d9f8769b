"""From an EHR's FHIR API to files in a folder; nothing is ever written to the server.

What was read is kept at every page, so a run that is stopped, killed or sent away goes on where it
was. Two runs of one study do not go side by side.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from adapter.errors import ConfigurationError, StudyFhirError, Where
from adapter.fhir.transport import Transport
from adapter.pull.bulk import Export, Wanted
from adapter.pull.cohort import Child, read_cohort
from adapter.pull.database import alone, database
from adapter.pull.download import Downloads
from adapter.pull.files import prepare, write
from adapter.pull.jobs import Jobs
from adapter.pull.patience import Clock, Patience, Sleep
from adapter.pull.search import Cohort, Searches
from adapter.pull.sieve import Sieve
from adapter.pull.store import Store
from adapter.pull.summary import Pulled
from adapter.settings import PullSettings
from adapter.validation.references import resource_types

Progress: TypeAlias = Callable[[str, int, int], None]


def pull(
    settings: PullSettings,
    transport: Transport,
    *,
    state: Path,
    out: Path,
    study: str,
    server: str,
    wait: float = 60,
    progress: Progress = lambda *_: None,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> Pulled:
    """Read the cohort's resources into ``out``; ``state`` is the database that keeps them.

    What the server does wrong, or that it is away longer than ``wait`` seconds, stands in the
    result: what was read is written all the same. Raises ConfigurationError, SourceError,
    UsageError and BusyError before anything is read. The database is of this study and server.
    """
    children = read_cohort(settings.patients, settings.file)
    _check(settings, children)
    prepare(out)
    with ExitStack() as stack:
        stack.enter_context(alone(state))
        parts = urlsplit(transport.base_url)
        address = f"{parts.scheme}://{parts.hostname}{parts.path}"  # its port may change
        owner = {"study": study, "server": server, "address": address}
        store = Store(stack.enter_context(database(state, owner)))
        store.belong({child.key: child.id for child in children}, settings.types)
        pulled = Pulled(settings.mode, {kind: Counter() for kind in settings.types})
        counts = stack.enter_context(store.run())
        run = _Run(settings, transport, store, pulled, children, Patience(wait, clock, sleep))
        try:
            run.go(lambda done, total: progress("pull", done, total), sleep)
        except StudyFhirError as error:
            pulled.stop(error)
        pulled.requests = transport.requests
        write(store, settings.types, out)
        counts.update(pulled.to_json())
    return pulled


def _check(settings: PullSettings, children: list[Child]) -> None:
    if "Patient" not in settings.types and any(child.id is None for child in children):
        raise ConfigurationError(
            "a cohort of identifiers needs Patient among pull.types",
            where=Where(file=settings.file),
            hint="who they are is looked up by reading their Patient resources",
        )
    known = resource_types("R4") | resource_types("R5")
    for kind in settings.types:
        if kind not in known:
            near = get_close_matches(kind, sorted(known), 1)
            raise ConfigurationError(
                f"FHIR has no resource type {kind!r}",
                where=Where(file="study.yaml", path="pull.types"),
                hint=f"did you mean {near[0]!r}?" if near else "such as Observation",
            )


class _Run:
    """One run in either mode."""

    def __init__(
        self,
        settings: PullSettings,
        transport: Transport,
        store: Store,
        pulled: Pulled,
        children: list[Child],
        patience: Patience,
    ):
        self.settings, self.transport, self.store, self.pulled = settings, transport, store, pulled
        self.patience = patience
        self.children = {child.key: child for child in children}
        self.sieve = Sieve(transport.base_url, store.patients().values())
        cohort = Cohort(self.children, settings.file)
        self.searches = Searches(
            store, transport, cohort, self.sieve, pulled, patience, settings.overlap
        )

    def go(self, tell: Callable[[int, int], None], sleep: Sleep) -> None:
        """Read what there is to read. Raises what ends the run before its time."""
        if self.settings.mode == "bulk":
            self._export(tell, sleep)
            return
        try:
            self.searches.run(tell)
        finally:
            self.pulled.left(self.store.open_counts())

    def _export(self, tell: Callable[[int, int], None], sleep: Sleep) -> None:
        self.searches.look_up()
        jobs, types = Jobs(self.store.engine), self.settings.types
        known = "\n".join(sorted(self.sieve.patients))
        wanted = Wanted(
            self.settings.group or "",
            types,
            hashlib.sha256(known.encode()).hexdigest()[:16],
            self.settings.overlap,
        )
        downloads = Downloads(self.store, jobs, self.transport, self.sieve, self.pulled, types)
        export = Export(jobs, self.transport, downloads, self.pulled, self.patience, sleep, wanted)
        export.run(tell)
        export.settle(missing=self._missing())

    def _missing(self) -> bool:
        """Whether a child of the cohort is not among what the Group holds; says how many."""
        if "Patient" not in self.settings.types:
            return False
        absent = self.sieve.patients - self.store.held("Patient")
        if absent:
            said = f"{len(absent):,} children of the cohort are not in the export"
            self.pulled.problem("Patient", "", said)
        return bool(absent)
