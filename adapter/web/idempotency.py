"""Idempotency-Key: a request that is sent again gets the first answer, and starts nothing anew.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from flask import Response
from werkzeug.exceptions import UnprocessableEntity

from adapter.errors import BusyError, UsageError

HEADER = "Idempotency-Key"
KEPT = 24 * 3600  # seconds, at least
REMEMBERED = 10_000  # answers

# the draft's quoted string, or the bare text that many clients send
_KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"|([!#-~]{1,255})')


@dataclass(slots=True)
class _Saved:
    """An answer under its key; without a body while it is still being made."""

    request: bytes  # hash of the request's body
    since: float  # seconds
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


class Answers:
    """The answers of this process to requests with a key; of keys and bodies only hashes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._lock = Lock()
        self._saved: dict[bytes, _Saved] = {}  # the oldest first

    def once(
        self, scope: bytes, header: str | None, request: bytes, make: Callable[[], Response]
    ) -> Response:
        """What ``make`` answers; the first answer again when this scope sent the key before.

        Only an answer that was made is saved: after an error the key is free. Without a header
        nothing is saved. Raises UsageError for what is no key, UnprocessableEntity when the key
        came with another request body, and BusyError while its first answer is being made.
        """
        if header is None:
            return make()
        name = self._hash(scope, _key(header))
        asked = self._hash(b"", request)
        with self._lock:
            saved = self._saved.get(name)
            if saved is None:
                self._make_room()
                self._saved[name] = saved = _Saved(asked, self._clock())
            else:
                return _again(saved, asked)
        try:
            answer = make()
        except BaseException:
            with self._lock:
                del self._saved[name]
            raise
        with self._lock:
            saved.status, saved.headers = answer.status_code, tuple(answer.headers)
            saved.body = answer.get_data()
        return answer

    def _hash(self, scope: bytes, text: bytes) -> bytes:
        length = len(scope).to_bytes(4, "big")  # so that no other pair gives the same bytes
        return hmac.digest(self._secret, length + scope + text, hashlib.sha256)

    def _make_room(self) -> None:
        """Forget what is old. Raises BusyError when too much is young: each is kept its time."""
        now = self._clock()
        old = [n for n, s in self._saved.items() if s.body is not None and now - s.since > KEPT]
        for name in old:
            del self._saved[name]
        if len(self._saved) >= REMEMBERED:
            raise BusyError(
                "too many answers are kept for their Idempotency-Key",
                hint=f"send the request without {HEADER}",
            )


def _key(header: str) -> bytes:
    found = _KEY.fullmatch(header.strip())
    if found is None:
        raise UsageError(
            f"{HEADER} is not a key",
            hint="1 to 255 printable ASCII characters, quoted or without spaces and quotes",
        )
    return (found[1] or found[2]).encode()


def _again(saved: _Saved, asked: bytes) -> Response:
    if saved.request != asked:
        raise UnprocessableEntity
    if saved.body is None:
        raise BusyError(
            "the first request with this Idempotency-Key is being answered", hint="ask again"
        )
    return Response(saved.body, saved.status, list(saved.headers))
