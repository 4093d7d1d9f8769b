"""Validates files: one process for a few resources, several for many; results in input order."""

from __future__ import annotations

import copyreg
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields, replace
from itertools import chain, islice
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from adapter.errors import ConfigurationError, StudyFhirError
from adapter.validation.definitions import Definitions
from adapter.validation.issues import Issue
from adapter.validation.reading import Document, Instance, documents, read
from adapter.validation.references import RunIndex
from adapter.validation.validator import Validator

ERRORS = frozenset({"error", "fatal"})
FEW = 1_000  # resources, which one process checks in the time that others need to start
CHUNK_RESOURCES = 200
CHUNK_BYTES = 1_000_000
AHEAD = 3  # chunks waiting for each process: enough to keep it busy, few enough to stay small


@dataclass(frozen=True, slots=True)
class Options:
    """How to validate; the same in every process."""

    release: str = "R4"
    profiles: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    terminology: str = "local"
    best_practice: bool = False
    references: tuple[str, ...] = ()  # files and folders that every reference must resolve within


class Checked(NamedTuple):
    """The verdict on one resource."""

    file: str
    line: int
    resourceType: str | None  # noqa: N815  the name in the JSON contract
    id: str | None
    issues: list[Issue]
    size: int = 0  # bytes

    @property
    def failed(self) -> bool:
        """True when it has an error."""
        return any(issue.severity in ERRORS for issue in self.issues)


class Job(NamedTuple):
    """A validator and how to use it."""

    validator: Validator
    profiles: tuple[str, ...]


def check(found: Iterable[Document], options: Options, jobs: int = 0) -> Iterator[Checked]:
    """Verdicts in the order of the documents, with as many processes as ``jobs`` (0: as fit).

    Raises UsageError for options that are impossible, ConfigurationError when a process was killed.
    """
    waiting = iter(found)
    few = list(islice(waiting, FEW + 1))
    processes = jobs or (os.cpu_count() or 1 if len(few) > FEW else 1)
    job = _prepare(options)
    everything = chain(few, waiting)
    del few
    if processes == 1:
        yield from (check_document(document, job) for document in everything)
    else:
        yield from _parallel(everything, options, job, processes)


def check_document(document: Document, job: Job) -> Checked:
    """The verdict on one document; a defect of ours becomes an issue, for the others' sake."""
    instance = read(document, job.validator.definitions)
    issues = list(instance.issues)
    kind = identifier = None
    if instance.resource is not None:
        kind, identifier = (_text(instance.resource.get(name)) for name in ("resourceType", "id"))
        try:
            issues += job.validator.validate(instance.resource, profiles=job.profiles)
        except StudyFhirError:
            raise
        except Exception as error:
            if os.environ.get("STUDY_FHIR_TRACEBACK") == "1":
                raise
            issues.append(_defect(error, kind))
    placed = place(issues, instance, kind, identifier)
    return Checked(document.file, document.line, kind, identifier, placed, len(document.data))


def place(
    issues: list[Issue], instance: Instance, kind: str | None, identifier: str | None
) -> list[Issue]:
    """The issues with file, line, and the resource that they are about."""
    if not issues:
        return []
    wanted = {issue.path for issue in issues if issue.line is None}
    one_line = b"\n" not in instance.data
    lines = {} if one_line or not wanted else instance.lines_of(wanted)
    return [
        replace(
            issue,
            file=instance.file,
            line=issue.line or lines.get(issue.path, instance.line),
            resourceType=issue.resourceType or kind,
            id=issue.id or identifier,
        )
        for issue in issues
    ]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _defect(error: Exception, kind: str | None) -> Issue:
    # the text of an unforeseen error says nothing to the reader, and may say too much
    message = f"this resource could not be checked: {type(error).__name__}, a defect of study-fhir"
    return Issue("fatal", "exception", kind or "", message)


def _prepare(options: Options) -> Job:
    validator = Validator(
        options.release,
        packages=options.packages,
        terminology=options.terminology,
        best_practice=options.best_practice,
        run=_index(options) if options.references else None,
    )
    return Job(validator, options.profiles)


def _index(options: Options) -> RunIndex:
    """Every resource of the run, by its type and id."""
    definitions = Definitions.shipped(options.release)
    index = RunIndex()
    for document in documents(options.references):
        resource = read(document, definitions).resource
        if resource is not None:
            index.add(resource)
    return index


# --- several processes -------------------------------------------------------------------------

_values = attrgetter(*(each.name for each in fields(Issue)))
copyreg.pickle(Issue, lambda issue: (Issue, _values(issue)))  # 5 times as fast

_jobs: list[Job] = []  # this worker process's one


def _start(options: Options, job: Job | None) -> None:
    """A worker begins: with the parent's validator where it could be inherited."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _jobs[:] = [job or _prepare(options)]


def _work(chunk: list[Document]) -> list[Checked]:
    (job,) = _jobs
    return [check_document(document, job) for document in chunk]


def _parallel(
    found: Iterable[Document], options: Options, job: Job, processes: int
) -> Iterator[Checked]:
    inherits = sys.platform == "linux"
    context = multiprocessing.get_context("fork" if inherits else "spawn")
    pool = ProcessPoolExecutor(
        processes, context, initializer=_start, initargs=(options, job if inherits else None)
    )
    try:
        pool.submit(_work, [])  # all processes start now, before anything else runs in a thread
        yield from _in_order(pool.submit, _chunks(found), processes * AHEAD)
    except BrokenProcessPool:
        raise ConfigurationError(
            "a validating process was killed, perhaps for its memory",
            hint="use fewer --jobs",
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _in_order(
    submit: Callable[..., Future[list[Checked]]], chunks: Iterator[list[Document]], ahead: int
) -> Iterator[Checked]:
    running: deque[Future[list[Checked]]] = deque()
    for chunk in chunks:
        running.append(submit(_work, chunk))
        if len(running) >= ahead:
            yield from running.popleft().result()
    while running:
        yield from running.popleft().result()


def _chunks(found: Iterable[Document]) -> Iterator[list[Document]]:
    chunk: list[Document] = []
    size = 0
    for document in found:
        chunk.append(document)
        size += len(document.data)
        if len(chunk) >= CHUNK_RESOURCES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def size_of(paths: Iterable[str | Path]) -> int:
    """The bytes of files and folders, for a progress bar; what is no file counts nothing."""
    from adapter.validation.reading import files_in

    total = 0
    for path in map(Path, paths):
        files = files_in(path) if path.is_dir() else [path]
        total += sum(file.stat().st_size for file in files if file.is_file())
    return total
