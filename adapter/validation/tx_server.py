"""A terminology server for the codes that local definitions cannot decide.

``POST {url}`` with a batch of ``$validate-code`` calls
(https://hl7.org/fhir/valueset-operation-validate-code.html), answers kept in SQLite with the
server's URL. What the server does not answer is reported once, as not checked: never as an error.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from adapter.errors import UsageError
from adapter.validation.code_tables import DefinitionSource
from adapter.validation.issues import Issue
from adapter.validation.terminology import (
    EXAMPLES,
    OF_CODE,
    OF_CONCEPT,
    Binding,
    Names,
    Terminology,
    bound,
)
from adapter.validation.verdicts import Codings, Parts

Json = dict[str, Any]
TIMEOUT = (5.0, 30.0)  # seconds to connect, and between two pieces of the answer
LARGEST = 16 * 2**20  # bytes of one answer
BATCH = 100  # calls in one request
KEPT_SECONDS = 30 * 24 * 3600  # code systems change: an answer is asked for again after a month
FHIR_JSON = "application/fhir+json"
UNAVAILABLE = "Terminology_Server_Unavailable"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Question:
    """Is this coding in that value set, or in its own system when none is named."""

    value_set: str | None
    system: str | None
    version: str | None
    code: str
    display: str | None

    @property
    def operation(self) -> str:
        """The operation that answers it."""
        return f"{'ValueSet' if self.value_set else 'CodeSystem'}/$validate-code"

    def parameters(self) -> Json:
        """The question as a Parameters resource."""
        url, _, edition = (self.value_set or "").partition("|")
        given = {
            "url": ("valueUri", url or self.system),
            "valueSetVersion": ("valueString", edition if self.value_set else None),
            "code": ("valueCode", self.code),
            "system": ("valueUri", self.system if self.value_set else None),
            "systemVersion": ("valueString", self.version if self.value_set else None),
            "version": ("valueString", None if self.value_set else self.version),
            "display": ("valueString", self.display),
            "inferSystem": ("valueBoolean", True if self.system is None else None),
        }
        return {
            "resourceType": "Parameters",
            "parameter": [{"name": n, kind: v} for n, (kind, v) in given.items() if v],
        }

    @property
    def key(self) -> str:
        """Names the question in the cache."""
        parts = [self.value_set, self.system, self.version, self.code, self.display]
        return hashlib.sha256(orjson.dumps(parts)).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says of a question; ``result`` is None when it could not say."""

    result: bool | None
    message: str | None = None
    display: str | None = None


class Cache:
    """Answers in one SQLite file, those of each server apart."""

    def __init__(self, folder: Path, url: str):
        folder.mkdir(parents=True, exist_ok=True)
        self._url = url
        self._file = sqlite3.connect(
            folder / "terminology.sqlite", timeout=30, check_same_thread=False
        )
        with self._file:
            self._file.execute(
                "create table if not exists answer (server text, question text, result integer,"
                " message text, display text, asked real, primary key (server, question))"
            )

    def get(self, question: Question) -> Answer | None:
        """The answer kept for a question, unless it is too old."""
        row = self._file.execute(
            "select result, message, display from answer"
            " where server = ? and question = ? and asked > ?",
            (self._url, question.key, time.time() - KEPT_SECONDS),
        ).fetchone()
        return None if row is None else Answer(bool(row[0]), row[1], row[2])

    def put(self, question: Question, answer: Answer) -> None:
        """Keeps an answer."""
        with self._file:
            self._file.execute(
                "insert or replace into answer values (?, ?, ?, ?, ?, ?)",
                (
                    self._url,
                    question.key,
                    int(bool(answer.result)),
                    answer.message,
                    answer.display,
                    time.time(),
                ),
            )

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class Server:
    """Asks one terminology server; after a failed request it is not asked again in this run.

    Raises UsageError for a URL that is neither https nor of this machine.
    """

    def __init__(self, url: str, cache_dir: Path):
        parts = urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in LOOPBACK
        if not parts.hostname or not (parts.scheme == "https" or local):
            raise UsageError("a terminology server's URL is https, or http on this machine")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UsageError("a terminology server's URL has no user, query or fragment")
        self.url = url.rstrip("/")
        self.failure: str | None = None
        self._cache = Cache(cache_dir, self.url)
        self._known: dict[Question, Answer] = {}
        self._session = requests.Session()
        self._lock = threading.Lock()  # the file and the connection serve one thread at a time

    def answers(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers to questions: from the cache, the rest in batches."""
        with self._lock:
            return self._answers(questions)

    def _answers(self, questions: Sequence[Question]) -> list[Answer]:
        missing = []
        for question in dict.fromkeys(questions):
            if question not in self._known:
                kept = self._cache.get(question)
                if kept is None:
                    missing.append(question)
                else:
                    self._known[question] = kept
        for first in range(0, len(missing), BATCH):
            self._ask(missing[first : first + BATCH])
        return [self._known.get(question, Answer(None, self.failure)) for question in questions]

    def _ask(self, questions: Sequence[Question]) -> None:
        if self.failure is not None:
            return
        try:
            found = _entries(self._post(_batch(questions)), len(questions))
        except (requests.RequestException, ValueError) as error:
            self.failure = _reason(error)
            return
        for question, answer in zip(questions, found, strict=True):
            self._known[question] = answer
            if answer.result is not None:
                self._cache.put(question, answer)

    def _post(self, batch: Json) -> Any:
        headers = {"Content-Type": FHIR_JSON, "Accept": FHIR_JSON}
        with self._session.post(
            self.url,
            data=orjson.dumps(batch),
            headers=headers,
            timeout=TIMEOUT,
            allow_redirects=False,
            stream=True,
        ) as response:
            if response.status_code != 200:
                raise ValueError(f"it answered {response.status_code}")
            body = bytearray()
            for piece in response.iter_content(65536):
                body += piece
                if len(body) > LARGEST:
                    raise ValueError(f"its answer has more than {LARGEST} bytes")
        return orjson.loads(body)

    def close(self) -> None:
        """Closes the cache and the connection."""
        self._cache.close()
        self._session.close()


def _reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout):
        return "it did not answer in time"
    if isinstance(error, requests.RequestException):
        return "it could not be reached"
    if isinstance(error, orjson.JSONDecodeError):
        return "its answer is not JSON"
    return str(error)


def _batch(questions: Sequence[Question]) -> Json:
    return {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"resource": q.parameters(), "request": {"method": "POST", "url": q.operation}}
            for q in questions
        ],
    }


def _entries(bundle: Any, count: int) -> list[Answer]:
    """The answers of a batch; raises ValueError for anything but its response."""
    entries = bundle.get("entry") if isinstance(bundle, dict) else None
    if not isinstance(entries, list) or len(entries) != count:
        raise ValueError("its answer is not the response to the batch")
    return [_answer(entry) for entry in entries]


def _answer(entry: Any) -> Answer:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(resource, dict) or resource.get("resourceType") != "Parameters":
        return Answer(None, "it could not answer")
    held: Json = {}
    for one in resource.get("parameter", []):
        if isinstance(one, dict):
            held[str(one.get("name"))] = next(
                (value for key, value in one.items() if key.startswith("value")), None
            )
    result, message, display = held.get("result"), held.get("message"), held.get("display")
    return Answer(
        result if isinstance(result, bool) else None,
        message if isinstance(message, str) else None,
        display if isinstance(display, str) else None,
    )


class ServerTerminology(Terminology):
    """A local terminology that asks a server what it cannot decide itself.

    With ``collecting()`` the questions of a whole run are gathered and sent in batches; without,
    each is asked when it comes up.
    """

    def __init__(self, url: str, local: Terminology, cache_dir: Path):
        super().__init__(local.tables.definitions, local.release)
        self.tables = local.tables
        self.judge = local.judge
        self.server = Server(url, cache_dir)
        self._collected: dict[Question, None] | None = None
        self._told = False

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Gathers what is asked within, and asks it when left; check again for the verdicts."""
        self._collected = {}
        try:
            yield
        finally:
            questions = list(self._collected)
            self._collected = None
            self.forget_answers()
            self.server.answers(questions)

    def undecided(
        self, codings: Codings, binding: Binding | None, names: Names, local: list[Issue]
    ) -> list[Issue]:
        """The server's verdict; ``local`` where it gives none."""
        asked = [(i, p) for i, p in codings if p[2] and (p[0] or names is OF_CODE) and _public(p)]
        url = binding.value_set.canonical if binding is not None else None
        answers = self._ask([_question(url, parts) for _, parts in asked])
        results = [one.result for one in answers]
        if not results or (None in results and True not in results):
            return local
        if binding is not None:
            return [] if True in results else _outside(binding, asked, answers, names)
        single = names is not OF_CONCEPT
        return [
            _wrong(parts, "" if single else f".coding[{index}]", answer)
            for (index, parts), answer in zip(asked, answers, strict=True)
            if answer.result is False
        ]

    def _ask(self, questions: list[Question]) -> list[Answer]:
        if self._collected is not None:
            self._collected.update(dict.fromkeys(questions))
            return [Answer(None) for _ in questions]
        return self.server.answers(questions)

    def _placed(self, found: list[Issue], path: str) -> list[Issue]:
        placed = super()._placed(found, path)
        reason = self.server.failure
        if reason is None or self._told or self._collected is not None:
            return placed
        self._told = True  # one failure is one fact, however many codes it leaves unchecked
        text = f"codes could not be checked with the terminology server {self.server.url}: {reason}"
        return [*placed, Issue("information", "transient", path, text, UNAVAILABLE)]

    def close(self) -> None:
        """Closes the server's cache and connection."""
        self.server.close()


def _public(parts: Parts) -> bool:
    """Whether a system may be known to anyone but its owner."""
    return not (parts[0] or "").startswith(EXAMPLES)


def _question(value_set: str | None, parts: Parts) -> Question:
    system, version, code, display = parts
    return Question(value_set, system, version, code or "", display)


def _outside(
    binding: Binding, asked: Codings | list[tuple[int, Parts]], answers: list[Answer], names: Names
) -> list[Issue]:
    named = ", ".join(f"{p[0]}#{p[2]}" if p[0] else f"'{p[2]}'" for _, p in asked)
    said = next((one.message for one in answers if one.message), None)
    text = f"{named} is not in the value set {binding.named}"
    return bound(binding, f"{text} (says the server: {said})" if said else text, names)


def _wrong(parts: Parts, at: str, answer: Answer) -> Issue:
    text = answer.message or f"{parts[0]} has no code '{parts[2]}' with this display"
    return Issue("error", "code-invalid", at, text, "Terminology_PassThrough_TX_Message")


def choose(
    definitions: DefinitionSource, release: str, mode: str, cache_dir: Path | None = None
) -> Terminology:
    """The terminology of a mode: ``local``, ``off``, or a terminology server's URL.

    Raises UsageError for another mode, or for a server without a folder to keep its answers in.
    """
    if mode in ("local", "off"):
        return Terminology(definitions, release, mode)
    if cache_dir is None:
        raise UsageError("a terminology server needs a folder to keep its answers in")
    return ServerTerminology(mode, Terminology(definitions, release), cache_dir)
