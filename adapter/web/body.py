"""Request bodies: an optional JSON object, read strictly."""

from __future__ import annotations

from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from adapter.fhir.json import loads

JSON_TYPES = frozenset({"application/json", "application/fhir+json"})


def json_object() -> dict[str, Any]:
    """The body as an object; {} when there is none.

    Raises BadRequest for anything but one JSON object in UTF-8 without duplicate keys, NaN and
    bottomless nesting, and UnsupportedMediaType for other content types.
    """
    data = request.get_data()
    if not data:
        return {}
    if request.mimetype not in JSON_TYPES:
        raise UnsupportedMediaType
    try:
        body = loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadRequest from None
    if not isinstance(body, dict):
        raise BadRequest
    return body
