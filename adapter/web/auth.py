"""A bearer token for every route but the public ones.  https://www.rfc-editor.org/rfc/rfc6750

A token opens all studies of the service, or those it was made for: every address of another study
answers as if that study were not there.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from flask import Flask, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from adapter.errors import ConfigurationError

PUBLIC = frozenset({"health.healthz"})

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")
_SECRET = secrets.token_bytes(32)  # of this process: what is kept of a caller tells no token


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token, and the one study that it opens; None for all of them."""

    text: str = field(repr=False)
    study: str | None = None


def register(app: Flask, tokens: Sequence[Token]) -> None:
    """Ask every request for a token, before it is known whether its route exists.

    Raises ConfigurationError when there is none, and when one is short or cannot stand in a header.
    """
    if not tokens or not all(_TOKEN.fullmatch(token.text) for token in tokens):
        raise ConfigurationError(
            "a service token is too short, or holds characters that no header can carry",
            hint="make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    expected = [(token.text.encode(), token.study) for token in tokens]

    @app.before_request
    def check_token() -> None:
        if request.endpoint in PUBLIC:
            return
        given = request.authorization
        text = given.token if given and given.type == "bearer" and given.token else ""
        sent = text.encode()
        # all are compared, so that the time tells neither which one fits nor how many there are
        opened = [study for known, study in expected if hmac.compare_digest(sent, known)]
        if not opened:
            raise Unauthorized(www_authenticate=WWWAuthenticate("bearer", {"realm": "study-fhir"}))
        g.opened, g.caller = opened, hmac.digest(_SECRET, sent, hashlib.sha256)


def opens(study: str) -> bool:
    """Whether the token of this request opens a study."""
    return None in g.opened or study in g.opened


def caller() -> bytes:
    """Who asks: 32 bytes that are the same for one token while the service lives."""
    known: bytes = g.caller
    return known
