"""``requests``, tamed: its defaults lose data and leak, so everything HTTP happens here.

No redirects, no settings from the environment, a deadline for the whole answer, a cap on its
bytes, and error texts of our own: none holds a query, a token or what a server wrote.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import requests
import urllib3

from adapter.errors import ConfigurationError, ProtocolError, UnavailableError
from adapter.fhir.access import Access
from adapter.fhir.answers import (
    CLOCKS_APART,
    Answer,
    Failing,
    Refusal,
    TooSlow,
    Unknown,
    busy,
    clock_difference,
    clock_hint,
    judged,
    parsed,
)
from adapter.fhir.json import dumps
from adapter.fhir.links import ForeignLinkError, absolute, is_local, origin, own_link
from adapter.fhir.writing import BUSY
from adapter.urls import base_of

__all__ = [
    "CLOCKS_APART",
    "Answer",
    "Failing",
    "Refusal",
    "TooSlow",
    "Transport",
    "Unknown",
    "busy",
    "clock_difference",
    "clock_hint",
    "judged",
]

FHIR_JSON = "application/fhir+json"
NDJSON = "application/fhir+ndjson"
CHUNK = 65_536
FILE_DEADLINE = 3_600.0  # seconds; a file of an export is longer than any answer
FILE_BYTES = 20_000_000_000


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
        timeout: float = 60,
        deadline: float = 120,
        max_bytes: int = 50_000_000,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.base_url = base_of(base_url)
        self._timeout, self._deadline, self._max_bytes = timeout, deadline, max_bytes
        self._clock = clock
        self._session = requests.Session()
        self._session.trust_env = False  # netrc would replace our token, proxies would redirect us
        self._access = access = access or Access()
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

    def create(self, kind: str, resource: dict[str, Any], condition: str | None) -> Answer:
        """POST a resource unless one already meets the search condition (``If-None-Exist``).

        Without a condition it must be known that there is none.
        """
        headers = {"If-None-Exist": condition} if condition else {}
        return self._send("POST", kind, dumps(resource), headers)

    def search(self, kind: str, parameters: dict[str, str]) -> Answer:
        """POST a search, so that no identifier stands in a URL."""
        form = urlencode(parameters).encode()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Prefer": "handling=strict",  # an unknown parameter is an error, and not ignored
        }
        return self._send("POST", f"{kind}/_search", form, headers)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get_any(self, path: str) -> Answer:
        """GET a path below the base; every status but 401 and a busy server's is an answer."""
        answer = self.exchange("GET", path, None)
        return judged(answer, has_body=True) if answer.status in (*BUSY, 401) else answer

    def follow(self, link: str) -> Answer:
        """GET the page that a link of the server names. Raises ForeignLinkError if it leads away.

        A link is absolute, or counts from the base.
        """
        return judged(self.ask(link), has_body=True)

    def ask(self, link: str, headers: dict[str, str] | None = None) -> Answer:
        """GET what a link of the server names: any complete answer, as ``exchange`` has it."""
        return self._as_us("GET", own_link(self.base_url, link), None, headers or {})

    def download(
        self,
        link: str,
        *,
        with_token: bool,
        deadline: float = FILE_DEADLINE,
        max_bytes: int = FILE_BYTES,
    ) -> Iterator[bytes]:
        """The bytes of a file that a link of the server names, unpacked, as they come.

        ``deadline`` in seconds for all of it. Raises as ``follow`` does; only 200 is a file.
        """
        url = own_link(self.base_url, link)
        given = self._identity.authorization() if with_token else None
        for again in (True, False):
            end = self._clock() + deadline
            with self._open("GET", url, None, {"Accept": NDJSON}, given) as response:
                renewed = again and given and response.status_code == 401
                if renewed and (other := self._identity.renewed(given)):
                    given = other
                    continue
                if response.status_code != 200:
                    _no_file(self._answer(response, end))
                if "html" in response.headers.get("Content-Type", ""):
                    raise ProtocolError("a page of HTML stands in the place of a file")
                yield from self._chunks(response, end, max_bytes)
                return

    def stranger(self, link: str) -> Transport:
        """The way to the origin of a link that is not the server's: as nobody.

        Neither our token nor our certificate goes there. Raises ForeignLinkError for what is no
        address, or for one that is less protected than the server itself.
        """
        url = absolute(self.base_url, link)
        scheme, host, port = origin(url)
        if is_local(url) and not is_local(self.base_url):
            raise ForeignLinkError("a file is offered at this very machine: it is not asked for")
        if scheme == "http" and self.base_url.startswith("https:"):
            raise ForeignLinkError("a file is offered over http, the server is at https")
        place = f"[{host}]" if ":" in host else host
        access = Access(ca_file=self._access.ca_file, proxy=self._access.proxy)
        return Transport(f"{scheme}://{place}:{port}", access=access, timeout=self._timeout)

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Any complete answer, whatever its status, as whoever we are.

        A 401 is answered once with renewed credentials. Raises what is no answer.
        """
        url = f"{self.base_url}/{path}" if path else self.base_url
        return self._as_us(method, url, body, headers or {})

    def _as_us(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        given = self._identity.authorization()
        answer = self._exchange(method, url, body, headers, given)
        if answer.status == 401 and (renewed := self._identity.renewed(given)):
            answer = self._exchange(method, url, body, headers, renewed)
        return answer

    def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None = None
    ) -> Answer:
        answer = self.exchange(method, path, body, headers)
        return judged(answer, has_body=method != "PUT" and method != "DELETE")

    def _exchange(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: dict[str, str],
        authorization: str | None,
    ) -> Answer:
        end = self._clock() + self._deadline
        with self._open(method, url, body, headers, authorization) as response:
            return self._answer(response, end)

    @contextmanager
    def _open(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: dict[str, str],
        authorization: str | None,
    ) -> Iterator[requests.Response]:
        """An answer whose body is still to be read; what goes wrong meanwhile is told as ours."""
        self.requests += 1
        if authorization:
            headers = {**headers, "Authorization": authorization}
        try:
            response = self._session.request(
                method,
                url,
                data=body,
                headers={**self._headers(body), **headers},
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            )
            with response:
                yield response
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

    def _answer(self, response: requests.Response, end: float) -> Answer:
        data = b"".join(self._chunks(response, end, self._max_bytes))
        received = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, received, parsed(received, data), bool(data.strip()))

    def _headers(self, body: bytes | None) -> dict[str, str]:
        if body is None:
            return {"Cache-Control": "no-cache"}
        return {"Content-Type": FHIR_JSON, "Prefer": "return=minimal", "Cache-Control": "no-cache"}

    def _chunks(self, response: requests.Response, end: float, max_bytes: int) -> Iterator[bytes]:
        """The body, decoded; read as it comes, since ``iter_content`` waits for whole chunks."""
        size = 0
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            size += len(chunk)
            if size > max_bytes:
                raise ProtocolError(f"the answer is larger than {max_bytes:,} bytes")
            if self._clock() > end:
                raise TooSlow("the answer took too long")
            yield chunk


def _if_match(version: str | None) -> dict[str, str]:
    return {"If-Match": f'W/"{version}"'} if version else {}


def _no_file(answer: Answer) -> None:
    """Raise what the answer to a request for a file says instead of it."""
    judged(answer, has_body=False)
    raise ProtocolError(f"there is no file in the answer: HTTP {answer.status}")


def _was_connected(error: requests.exceptions.ConnectionError) -> bool:
    text = repr(error)
    return "NewConnectionError" not in text and "NameResolutionError" not in text
