"""``requests``, tamed: its defaults lose data and leak, so everything HTTP happens here.

No redirects, no settings from the environment, a deadline for the whole answer, a cap on its
bytes, and error texts of our own: none holds a query, a token or what a server wrote.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests

from adapter.errors import (
    AuthenticationError,
    ConfigurationError,
    ProtocolError,
    RefusedError,
    UnavailableError,
)
from adapter.fhir.json import dumps, loads_answer
from adapter.fhir.writing import BUSY, issue_codes

FHIR_JSON = "application/fhir+json"
CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: status, headers by lower-case name, and the parsed JSON body or None."""

    status: int
    headers: dict[str, str]
    body: Any


class Refusal(RefusedError):  # noqa: N818  what a server does, not a defect
    """A 4xx answer; ``issues`` are the OperationOutcome's codes, ``status`` the HTTP status."""

    def __init__(self, status: int, issues: tuple[str, ...] = ()):
        super().__init__(f"the server refuses: HTTP {status} {', '.join(issues)}".rstrip())
        self.status = status
        self.issues = issues


class Unknown(UnavailableError):  # noqa: N818  an outcome, not a defect
    """The request may or may not have been carried out: look before sending it again."""


class Transport:
    """One FHIR server over HTTP.

    ``timeout`` and ``deadline`` in seconds, ``max_bytes`` of an answer. Raises ConfigurationError
    for a base URL with user info, backslash or query.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        ca_file: Path | None = None,
        timeout: float = 30,
        deadline: float = 120,
        max_bytes: int = 50_000_000,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.base_url = _base(base_url)
        self._timeout, self._deadline, self._max_bytes = timeout, deadline, max_bytes
        self._clock = clock
        self._session = requests.Session()
        self._session.trust_env = False  # netrc would replace our token, proxies would redirect us
        self._session.verify = str(ca_file) if ca_file else True
        self._session.headers.update({"Accept": FHIR_JSON, "Accept-Encoding": "gzip"})
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"
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

    def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None = None
    ) -> Answer:
        self.requests += 1
        end = self._clock() + self._deadline
        try:
            response = self._session.request(
                method,
                f"{self.base_url}/{path}" if path else self.base_url,
                data=body,
                headers={**self._headers(body), **(headers or {})},
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            )
            with response:
                data = self._read(response, end)
        except requests.exceptions.SSLError:
            raise ConfigurationError(
                "the server's TLS certificate is not accepted",
                hint="give the hospital's own authority as ca-file of the server",
            ) from None
        except requests.exceptions.ConnectTimeout:
            raise UnavailableError("the server does not answer") from None
        except requests.exceptions.ConnectionError as error:
            kind = Unknown if _was_connected(error) else UnavailableError
            raise kind("the server cannot be reached, or hung up") from None
        except requests.exceptions.RequestException:
            raise Unknown("the answer was not complete") from None
        return self._judge(response, data, has_body=method != "PUT" and method != "DELETE")

    def _headers(self, body: bytes | None) -> dict[str, str]:
        if body is None:
            return {"Cache-Control": "no-cache"}
        return {"Content-Type": FHIR_JSON, "Prefer": "return=minimal", "Cache-Control": "no-cache"}

    def _read(self, response: requests.Response, end: float) -> bytes:
        data = bytearray()
        for chunk in response.iter_content(CHUNK):
            data += chunk
            if len(data) > self._max_bytes:
                raise ProtocolError(f"the answer is larger than {self._max_bytes:,} bytes")
            if self._clock() > end:
                raise Unknown("the answer took too long")
        return bytes(data)

    def _judge(self, response: requests.Response, data: bytes, has_body: bool) -> Answer:
        status = response.status_code
        headers = {name.lower(): value for name, value in response.headers.items()}
        if status == 401:
            raise AuthenticationError(
                f"the server does not let us in: HTTP {status}",
                hint="is the token right, still valid, and allowed to write these resources?",
            )
        if 300 <= status < 400:
            raise ProtocolError(
                f"the server sends us elsewhere: HTTP {status}",
                hint="give the server's real base URL; redirects are not followed",
            )
        body = _parsed(headers, data)
        if status in BUSY:
            error = Unknown(f"the server is busy: HTTP {status}")
            error.retry_after = _retry_after(headers.get("retry-after", ""))  # type: ignore[attr-defined]
            raise error
        if status >= 400:
            raise Refusal(status, issue_codes(body))
        if not isinstance(body, dict) and (has_body or data.strip()):
            kind = headers.get("content-type", "none").split(";")[0]
            raise ProtocolError(
                f"the answer is not FHIR (content type {kind})",
                hint="does the base URL end where the FHIR server begins (…/fhir)?",
            )
        return Answer(status, headers, body)


def _if_match(version: str | None) -> dict[str, str]:
    return {"If-Match": f'W/"{version}"'} if version else {}


def _base(url: str) -> str:
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
