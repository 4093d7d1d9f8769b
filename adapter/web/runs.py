"""Runs: one push at a time for each study, in worker threads, remembered while we live."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

from adapter.errors import EXIT, BusyError, StudyFhirError, outcome_of
from adapter.web import errors

Sync: TypeAlias = Callable[[Path, str], dict[str, Any]]

WORKERS = 2
REMEMBERED = 1_000  # ended runs


@dataclass(slots=True)
class Run:
    """One push of a study: running, then done or failed. It holds counts, never values."""

    study: str
    server: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.monotonic)  # seconds
    state: str = "running"  # running | done | failed
    summary: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The run as GET /runs/{id} shows it; ``exit`` is the exit code `push` would have had."""
        known = {"id": self.id, "study": self.study, "server": self.server, "state": self.state}
        return self.summary | known

    def progress(self) -> str:
        """For X-Progress: how long the run has been under way."""
        return f"running for {time.monotonic() - self.started:.0f} s"


class Runs:
    """The runs of this process."""

    def __init__(self, sync: Sync):
        self._sync = sync
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="run")
        self._lock = Lock()
        self._runs: dict[str, Run] = {}

    def start(self, study: str, folder: Path, server: str) -> Run:
        """Start a run. Raises BusyError while another one holds the study."""
        run = Run(study, server)
        with self._lock:
            if any(r.study == study and r.state == "running" for r in self._runs.values()):
                raise BusyError(
                    "a run of this study is under way",
                    hint="ask again when it has ended: GET /runs/{id}",
                )
            self._forget()
            self._runs[run.id] = run
        self._pool.submit(self._execute, run, folder)
        return run

    def find(self, id_: str) -> Run | None:
        """The run of this id, or None."""
        with self._lock:
            return self._runs.get(id_)

    def _forget(self) -> None:
        ended = [id_ for id_, run in self._runs.items() if run.state != "running"]
        for id_ in ended[: max(0, len(ended) - REMEMBERED + 1)]:
            del self._runs[id_]

    def _execute(self, run: Run, folder: Path) -> None:
        try:
            summary, state = self._sync(folder, run.server), "done"
        except StudyFhirError as error:
            summary = {"exit": outcome_of(error).exit, "outcome": errors.outcome(error, run.id)}
            state = "failed"
        except Exception as error:
            errors.report(error, run.id)
            summary = {"exit": EXIT.configuration, "outcome": errors.unforeseen(run.id)}
            state = "failed"
        with self._lock:
            run.summary, run.state = summary, state
