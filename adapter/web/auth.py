"""One bearer token for every route but the public ones.  https://www.rfc-editor.org/rfc/rfc6750"""

from __future__ import annotations

import hmac
import re

from flask import Flask, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from adapter.errors import ConfigurationError

PUBLIC = frozenset({"health.healthz"})

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")


def register(app: Flask, token: str) -> None:
    """Ask every request for the token, before it is known whether its route exists.

    Raises ConfigurationError when the token is short or cannot stand in a header.
    """
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError(
            "the service token is too short, or holds characters that no header can carry",
            hint="make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    expected = token.encode()

    @app.before_request
    def check_token() -> None:
        if request.endpoint in PUBLIC:
            return
        given = request.authorization
        text = given.token if given and given.type == "bearer" and given.token else ""
        if not hmac.compare_digest(text.encode(), expected):
            raise Unauthorized(www_authenticate=WWWAuthenticate("bearer", {"realm": "study-fhir"}))
