"""``requests``, tamed: its defaults lose data and leak, so everything HTTP happens here.

No redirects, no settings from the environment, a deadline for the whole answer, a cap on its
bytes, and error texts of our own: none holds a query, a token or what a server wrote.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
import urllib3

from adapter.errors import (
    AuthenticationError,
    ConfigurationError,
    ProtocolError,
    RefusedError,
    UnavailableError,
)
from adapter.fhir.access import Access
from adapter.fhir.json import dumps, loads_answer
from adapter.fhir.outcomes import Said, said_of
from adapter.fhir.writing import BUSY, issue_codes

FHIR_JSON = "application/fhir+json"
CHUNK = 65_536
GATEWAY_TIMEOUT = 504
CLOCKS_APART = 60  # seconds; a token lives for five minutes, and Date is to the second
HINT_401 = "is the token right, still valid, and allowed to write these resources?"


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: status, headers by lower-case name, and the parsed JSON body or None."""

    status: int
    headers: dict[str, str]
    body: Any
    has_content: bool = True


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
    """The request may or may not have been carried out: look before sending it again."""


class TooSlow(Unknown):
    """No answer in time, from the server or from what stands before it (504)."""


class Transport:
    """One FHIR server over HTTP, as whom and by which way ``access`` says.

    ``timeout`` and ``deadline`` in seconds, ``max_bytes`` of an answer. Raises ConfigurationError
    for a base URL with user info, backslash or query.
    """

    def __init__(
        self,
        base_url: str,
        *,
        access: Access | None = None,
        timeout: float = 30,
        deadline: float = 120,
        max_bytes: int = 50_000_000,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.base_url = base_of(base_url)
        self._timeout, self._deadline, self._max_bytes = timeout, deadline, max_bytes
        self._clock = clock
        self._session = requests.Session()
        self._session.trust_env = False  # netrc would replace our token, proxies would redirect us
        access = access or Access()
        self._identity = access.identity
        self._session.verify = str(access.ca_file) if access.ca_file else True
        if access.certificate:
            self._session.cert = tuple(map(str, access.certificate))  # type: ignore[assignment]
        if access.proxy:
            self._session.proxies = {"http": access.proxy, "https": access.proxy}
        self._session.headers.update({"Accept": FHIR_JSON, "Accept-Encoding": "gzip"})
        self.requests = 0

    def get(self, path: str) -> Answer:
        """GET a path below the base, past every cache."""
        return self._send("GET", path, None)

    def post(self, bundle: dict[str, Any]) -> Answer:
        """POST a Bundle to the base."""
        return self._send("POST", "", dumps(bundle))

    def put(self, path: str, resource: Any, version: str | None = None) -> Answer:
        """PUT a resource; with a version, only over that one."""
        return self._send("PUT", path, dumps(resource), _if_match(version))

    def delete(self, path: str, version: str | None = None) -> Answer:
        """DELETE a resource; with a version, only that one."""
        return self._send("DELETE", path, None, _if_match(version))

    def create(self, kind: str, resource: dict[str, Any], condition: str) -> Answer:
        """POST a resource unless one already meets the search condition (``If-None-Exist``)."""
        return self._send("POST", kind, dumps(resource), {"If-None-Exist": condition})

    def search(self, kind: str, parameters: dict[str, str]) -> Answer:
        """POST a search, so that no identifier stands in a URL."""
        form = urlencode(parameters).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._send("POST", f"{kind}/_search", form, headers)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get_any(self, path: str) -> Answer:
        """GET a path below the base; every status but 401 and a busy server's is an answer."""
        answer = self.exchange("GET", path, None)
        return _judged(answer, has_body=True) if answer.status in (*BUSY, 401) else answer

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Any complete answer, whatever its status, as whoever we are.

        A 401 is answered once with renewed credentials. Raises what is no answer.
        """
        given = self._identity.authorization()
        answer = self._exchange(method, path, body, headers or {}, given)
        if answer.status == 401 and (renewed := self._identity.renewed(given)):
            answer = self._exchange(method, path, body, headers or {}, renewed)
        return answer

    def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None = None
    ) -> Answer:
        answer = self.exchange(method, path, body, headers)
        return _judged(answer, has_body=method != "PUT" and method != "DELETE")

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        authorization: str | None,
    ) -> Answer:
        self.requests += 1
        if authorization:
            headers = {**headers, "Authorization": authorization}
        end = self._clock() + self._deadline
        try:
            response = self._session.request(
                method,
                f"{self.base_url}/{path}" if path else self.base_url,
                data=body,
                headers={**self._headers(body), **headers},
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            )
            with response:
                data = self._read(response, end)
        except requests.exceptions.SSLError:
            raise ConfigurationError(
                "the server's TLS certificate is not accepted",
                hint="the hospital's own authority goes into ca-file; a server that wants our "
                "certificate gets client-certificate; TLS is 1.2 at least",
            ) from None
        except requests.exceptions.ConnectTimeout:
            raise UnavailableError("the server does not answer") from None
        except requests.exceptions.ReadTimeout:
            raise TooSlow(f"no answer within {self._timeout:.0f} s") from None
        except requests.exceptions.ConnectionError as error:
            kind = Unknown if _was_connected(error) else UnavailableError
            raise kind("the server cannot be reached, or hung up") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError):
            raise Unknown("the answer was not complete") from None
        received = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, received, _parsed(received, data), bool(data.strip()))

    def _headers(self, body: bytes | None) -> dict[str, str]:
        if body is None:
            return {"Cache-Control": "no-cache"}
        return {"Content-Type": FHIR_JSON, "Prefer": "return=minimal", "Cache-Control": "no-cache"}

    def _read(self, response: requests.Response, end: float) -> bytes:
        """The body, decoded; read as it comes, since ``iter_content`` waits for whole chunks."""
        data = bytearray()
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            data += chunk
            if len(data) > self._max_bytes:
                raise ProtocolError(f"the answer is larger than {self._max_bytes:,} bytes")
            if self._clock() > end:
                raise TooSlow("the answer took too long")
        return bytes(data)


def _judged(answer: Answer, has_body: bool) -> Answer:
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
        busy = TooSlow if status == GATEWAY_TIMEOUT else Unknown
        error = busy(f"the server is busy: HTTP {status}")
        error.retry_after = _retry_after(answer.headers.get("retry-after", ""))  # type: ignore[attr-defined]
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


def _if_match(version: str | None) -> dict[str, str]:
    return {"If-Match": f'W/"{version}"'} if version else {}


def base_of(url: str) -> str:
    """A base URL without slash at its end. Raises ConfigurationError when it is none of FHIR."""
    parts = urlsplit(url)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or "@" in parts.netloc
        or "\\" in url
        or parts.query
        or parts.fragment
    ):
        raise ConfigurationError(
            "this is no base URL of a FHIR server",
            hint="it looks like https://host/fhir, without user, query or fragment",
        )
    return url.rstrip("/")


def _was_connected(error: requests.exceptions.ConnectionError) -> bool:
    text = repr(error)
    return "NewConnectionError" not in text and "NameResolutionError" not in text


def _parsed(headers: dict[str, str], data: bytes) -> Any:
    if "json" not in headers.get("content-type", ""):
        return None
    try:
        return loads_answer(data)
    except ValueError:
        return None


def _retry_after(text: str) -> float:
    """Seconds to wait, at least 0; dates count from now, garbage is 0."""
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
