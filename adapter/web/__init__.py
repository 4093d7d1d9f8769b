"""The web service: starts pushes, tells how they went, validates. One blueprint a concern.

docs/service.md describes the routes; the shapes follow
https://hl7.org/fhir/R4/async.html and https://hl7.org/fhir/R4/operationoutcome.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from flask import Flask, Response

from adapter.service.pushing import push_study
from adapter.web import auth, errors, health, validation
from adapter.web.auth import Token
from adapter.web.idempotency import Answers
from adapter.web.runs import Runs, Sync
from adapter.web.sync import blueprint as sync_blueprint

__all__ = ["Token", "create_app"]

MAX_BODY = 1_000_000  # bytes

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def create_app(
    studies: Mapping[str, Path],
    tokens: str | Sequence[Token],
    *,
    sync: Sync = push_study,
    answers: Answers | None = None,
) -> Flask:
    """The service for these studies (name -> study folder), as a WSGI application.

    One text for ``tokens`` opens all studies. ``sync`` is what a run executes, ``answers`` what
    remembers idempotency keys. Raises ConfigurationError when a token is too weak.
    """
    app = Flask(__name__, static_folder=None)
    app.debug = False  # whatever FLASK_DEBUG says: a debugger would show health data
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        PROPAGATE_EXCEPTIONS=False,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    app.url_map.merge_slashes = False  # no redirects
    errors.register(app)
    auth.register(app, [Token(tokens)] if isinstance(tokens, str) else tokens)
    app.after_request(_headers)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(validation.blueprint)
    app.register_blueprint(sync_blueprint(studies, Runs(sync), answers or Answers()))
    return app


def _headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response
