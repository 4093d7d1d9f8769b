"""Everything that can go wrong, in one tree.

Error tree::

    StudyFhirError            code, retryable, where, hint
    ├── UsageError            the command line or a request asks for something impossible
    ├── ConfigurationError    study.yaml, settings, keys, dictionaries
    │   ├── SourceError       a source file is missing, unreadable or not what study.yaml says
    │   └── OutboxError       the outbox belongs to another key, server or release
    ├── FindingsError         the run ended, with validation errors or rejected cells
    │   └── LedgerError       the sums of the ledger differ: cells were lost
    ├── AuthenticationError   401 after refresh, 403 on everything
    ├── ServerError           the FHIR server, or what stands before it
    │   ├── UnavailableError  not reachable in time: deferred, all is kept
    │   ├── ProtocolError     the answer is not FHIR, or proves nothing
    │   └── RefusedError      the server refuses this resource
    └── BusyError             another run holds this study

``TABLE`` is the only place that turns an error into an exit code, an HTTP status and an
OperationOutcome issue code. Messages never hold source values, names, record numbers or tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Exit(NamedTuple):
    """The exit codes of the command line, in words."""

    done: int = 0
    findings: int = 1
    configuration: int = 2
    refused: int = 3
    deferred: int = 4
    authentication: int = 5
    interrupted: int = 130
    terminated: int = 143


EXIT = Exit()


@dataclass(frozen=True, slots=True)
class Where:
    """A place a person can go to: file, sheet, line and column, or a path within a document."""

    file: str | None = None
    sheet: str | None = None
    line: int | None = None
    column: str | None = None
    path: str | None = None

    def __str__(self) -> str:
        place = self.file or ""
        if self.sheet:
            place += f"[{self.sheet}]"
        if self.line is not None:
            place += f":{self.line}"
        if self.column:
            place += f":{self.column}"
        if self.path:
            place += f"{' ' if place else ''}{self.path}"
        return place


class StudyFhirError(Exception):
    """Root of the tree. ``hint`` says what to do next."""

    code = "error"
    retryable = False

    def __init__(self, message: str, *, where: Where | None = None, hint: str | None = None):
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where and str(self.where) else ""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{self.message}{place}{hint}"


class UsageError(StudyFhirError):
    """The command line or a request asks for something impossible."""

    code = "usage"


class ConfigurationError(StudyFhirError):
    """study.yaml, settings, keys or dictionaries cannot be used as they are."""

    code = "configuration"


class SourceError(ConfigurationError):
    """A source file is missing, unreadable or not what study.yaml says."""

    code = "source"


class OutboxError(ConfigurationError):
    """The outbox belongs to another key, server or release, or is damaged."""

    code = "outbox"


class FindingsError(StudyFhirError):
    """The run ended with validation errors or rejected cells."""

    code = "findings"


class LedgerError(FindingsError):
    """The sums of the ledger differ: cells were lost between source and result."""

    code = "ledger"


class AuthenticationError(StudyFhirError):
    """The server does not let us in."""

    code = "authentication"


class ServerError(StudyFhirError):
    """Something about the FHIR server, or what stands before it."""

    code = "server"


class UnavailableError(ServerError):
    """The server could not be reached in time; nothing is lost, a later push goes on."""

    code = "unavailable"
    retryable = True


class ProtocolError(ServerError):
    """The answer is not FHIR, or it proves nothing."""

    code = "protocol"


class RefusedError(ServerError):
    """The server refuses this resource."""

    code = "refused"


class BusyError(StudyFhirError):
    """Another run holds this study."""

    code = "busy"
    retryable = True


class Outcome(NamedTuple):
    """What the outside sees of an error."""

    exit: int
    http: int
    issue: str  # http://hl7.org/fhir/issue-type


TABLE: dict[type[StudyFhirError], Outcome] = {
    StudyFhirError: Outcome(EXIT.configuration, 500, "exception"),
    UsageError: Outcome(EXIT.configuration, 400, "invalid"),
    ConfigurationError: Outcome(EXIT.configuration, 500, "exception"),
    SourceError: Outcome(EXIT.configuration, 422, "structure"),
    OutboxError: Outcome(EXIT.configuration, 409, "conflict"),
    FindingsError: Outcome(EXIT.findings, 422, "invalid"),
    LedgerError: Outcome(EXIT.findings, 500, "incomplete"),
    AuthenticationError: Outcome(EXIT.authentication, 502, "login"),
    ServerError: Outcome(EXIT.deferred, 502, "exception"),
    UnavailableError: Outcome(EXIT.deferred, 503, "transient"),
    ProtocolError: Outcome(EXIT.deferred, 502, "structure"),
    RefusedError: Outcome(EXIT.refused, 422, "processing"),
    BusyError: Outcome(EXIT.deferred, 409, "lock-error"),
}


def outcome_of(error: StudyFhirError) -> Outcome:
    """The line of ``TABLE`` for this error: its own class, else the nearest parent."""
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
