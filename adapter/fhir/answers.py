"""What a server answers: complete, judged by its status, and never quoted.

Error texts are our own: none holds a query, a token or what a server wrote.
https://hl7.org/fhir/R4/http.html#summary
"""

from __future__ import annotations

import email.utils
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from adapter.errors import (
    AuthenticationError,
    ConfigurationError,
    ProtocolError,
    RefusedError,
    UnavailableError,
)
from adapter.fhir.json import loads_answer
from adapter.fhir.outcomes import Said, said_of
from adapter.fhir.writing import BUSY, issue_codes

CLOCKS_APART = 60  # seconds; a token lives for five minutes, and Date is to the second
HINT_401 = "is the token right, still valid, and allowed to write these resources?"


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: status, headers by lower-case name, and the parsed JSON body or None."""

    status: int
    headers: dict[str, str]
    body: Any
    has_content: bool = True

    @property
    def retry_after(self) -> float:
        """Seconds that the server asks us to wait, 0 where it says nothing that can be read."""
        return _retry_after(self.headers)


class Refusal(RefusedError):  # noqa: N818  what a server does, not a defect
    """A 4xx answer; ``issues`` are the OperationOutcome's codes, ``status`` the HTTP status.

    ``said`` is all that the OperationOutcome says; its words are in no text of this error.
    """

    def __init__(self, status: int, issues: tuple[str, ...] = (), said: Said | None = None):
        super().__init__(f"the server refuses: HTTP {status} {', '.join(issues)}".rstrip())
        self.status = status
        self.issues = issues
        self.said = said


class Unknown(UnavailableError):  # noqa: N818  an outcome, not a defect
    """The request may or may not have been carried out: look before sending it again.

    ``status`` is that of an answer, else 0; ``retry_after`` in seconds.
    """

    status = 0
    retry_after = 0.0


class Failing(Unknown):
    """500 or 502: the server may be ill, or unable to digest this content."""


class TooSlow(Unknown):
    """No answer in time, from the server or from what stands before it (504)."""


def busy(status: int, message: str = "") -> Unknown:
    """What a status says that proves nothing: too slow, failing, or only busy."""
    kinds = {504: TooSlow, 500: Failing, 502: Failing}
    error = kinds.get(status, Unknown)(message or f"the server is busy: HTTP {status}")
    error.status = status
    return error


def judged(answer: Answer, has_body: bool) -> Answer:
    """The answer, when it is a good one. Raises for every status that is none, and for no FHIR."""
    status = answer.status
    if status == 401:
        raise AuthenticationError(
            f"the server does not let us in: HTTP {status}", hint=clock_hint(answer) or HINT_401
        )
    if 300 <= status < 400:
        raise ConfigurationError(
            f"the server sends us elsewhere: HTTP {status} to {_origin(answer)}",
            hint="give the server's real base URL; redirects are not followed",
        )
    if status in BUSY:
        error = busy(status)
        error.retry_after = answer.retry_after
        raise error
    if status >= 400:
        raise Refusal(status, issue_codes(answer.body), said_of(answer.body))
    if not isinstance(answer.body, dict) and (has_body or answer.has_content):
        kind = answer.headers.get("content-type", "none").split(";")[0]
        raise ProtocolError(
            f"the answer is not FHIR (content type {kind})",
            hint="does the base URL end where the FHIR server begins (…/fhir)?",
        )
    return answer


def _origin(answer: Answer) -> str:
    """Scheme, host and port that a redirect names; its path may hold anything."""
    try:
        parts = urlsplit(answer.headers.get("location", ""))
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "nowhere"
    host = parts.hostname or ""
    if not parts.scheme or not re.fullmatch(r"[a-z0-9.-]{1,253}", host):
        return "another path of it" if parts.path else "nowhere"
    return f"{parts.scheme}://{host}{port}"


def clock_difference(answer: Answer) -> float | None:
    """Seconds that our clock is ahead of the server's ``Date``, or None where it says none."""
    try:
        stated = email.utils.parsedate_to_datetime(answer.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return time.time() - stated.timestamp()


def clock_hint(answer: Answer) -> str | None:
    """What to do about clocks that are too far apart for tokens, or None where they are not."""
    apart = clock_difference(answer)
    if apart is None or abs(apart) <= CLOCKS_APART:
        return None
    which = "ahead of" if apart > 0 else "behind"
    return f"clock: ours is {abs(apart):,.0f} s {which} the server's; set it (NTP)"


def parsed(headers: dict[str, str], data: bytes) -> Any:
    """The JSON of a body that says it is some, or None."""
    if "json" not in headers.get("content-type", ""):
        return None
    try:
        return loads_answer(data)
    except ValueError:
        return None


def _retry_after(headers: dict[str, str]) -> float:
    """Seconds to wait, at least 0; dates count from now, garbage is 0.

    Azure tells milliseconds in a header of its own, and more exactly than the standard one.
    """
    exact = headers.get("x-ms-retry-after-ms", "").strip()
    if exact.isascii() and exact.isdigit():
        return float(exact) / 1000
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
