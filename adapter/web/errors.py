"""Every error as an OperationOutcome: one place, one shape, no traceback.

https://hl7.org/fhir/R4/operationoutcome.html
"""

from __future__ import annotations

import logging
import re
import uuid
from typing import Any

from flask import Flask, Response, g, json, request
from werkzeug.exceptions import HTTPException

from adapter.errors import BusyError, StudyFhirError, outcome_of

ERROR_SYSTEM = "https://w3id.org/study-fhir-adapter/CodeSystem/error"
FHIR_JSON = "application/fhir+json"
RETRY_AFTER = 5  # seconds

# HTTP status -> (issue type, what it means here)
STATUS = {
    400: ("invalid", "the request cannot be understood"),
    401: ("login", "a valid bearer token is required"),
    404: ("not-found", "there is nothing at this address"),
    405: ("not-supported", "the method is not allowed here"),
    408: ("timeout", "the request did not arrive in time"),
    413: ("too-long", "the request body is too large"),
    415: ("not-supported", "the request body must be application/json"),
    422: ("business-rule", "this Idempotency-Key came before, with another body"),
}

_REQUEST_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Give every request an id, and every error of this application the same shape."""
    app.before_request(_name_request)
    app.after_request(_show_request_id)
    app.register_error_handler(StudyFhirError, _ours)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unforeseen)


def outcome(error: StudyFhirError, id_: str) -> dict[str, Any]:
    """An error of ours as an OperationOutcome."""
    place = f" ({error.where})" if error.where and str(error.where) else ""
    return _outcome(id_, outcome_of(error).issue, error.code, error.message + place, error.hint)


def unforeseen(id_: str) -> dict[str, Any]:
    """A defect as an OperationOutcome: its text may hold source values, so it is not shown."""
    return _outcome(id_, "exception", "internal", "an unforeseen error; see the service's log")


def report(error: Exception, id_: str) -> None:
    """Log a defect by its kind only."""
    _log.error("unforeseen %s in request %s", type(error).__name__, id_)


def _outcome(id_: str, issue: str, code: str, text: str, hint: str | None = None) -> dict[str, Any]:
    details = {"coding": [{"system": ERROR_SYSTEM, "code": code}], "text": text}
    found = {"severity": "error", "code": issue, "details": details}
    if hint:
        found["diagnostics"] = hint
    return {"resourceType": "OperationOutcome", "id": id_, "issue": [found]}


def _name_request() -> None:
    """The caller's X-Request-Id where it is safe to repeat, else a new one."""
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def _show_request_id(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    return response


def _answer(body: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(body), status, content_type=FHIR_JSON)


def _ours(error: StudyFhirError) -> Response:
    response = _answer(outcome(error, g.request_id), outcome_of(error).http)
    if isinstance(error, BusyError):
        response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    issue, text = STATUS.get(status, ("processing", "the request cannot be served"))
    response = _answer(_outcome(g.request_id, issue, f"http-{status}", text), status)
    for name, value in error.get_headers():
        if name in ("Allow", "WWW-Authenticate"):
            response.headers[name] = value
    return response


def _unforeseen(error: Exception) -> Response:
    report(error, g.request_id)
    return _answer(unforeseen(g.request_id), 500)
