"""FHIR's operation ``$validate``.  https://hl7.org/fhir/R4/resource-operation-validate.html

The body is a resource, or Parameters with one, as JSON or XML; the answer is an OperationOutcome.
Other than the pipeline's own gate it quotes values: the caller sent them.
"""

from __future__ import annotations

import json
from functools import cache
from threading import Lock
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import UnsupportedMediaType

from adapter.errors import UsageError
from adapter.fhir.json import dumps
from adapter.validation.issues import Issue
from adapter.validation.output.outcome import outcome
from adapter.validation.reading import Document, read
from adapter.validation.run import Job, check_document
from adapter.validation.validator import Validator
from adapter.web.body import JSON_TYPES
from adapter.web.errors import FHIR_JSON

XML_TYPES = frozenset({"application/fhir+xml", "application/xml", "text/xml"})
RELEASES = {
    "4.0": "R4",
    "4.3": "R4B",
    "5.0": "R5",
}  # https://hl7.org/fhir/R4/http.html#version-parameter

blueprint = Blueprint("validation", __name__)
_lock = Lock()  # a validator learns while it works


@blueprint.post("/fhir/$validate")
def validate() -> Response:
    """200 and the issues, 400 where nothing could be read; ``profile`` may stand in the query."""
    validator = _validator(_release())
    profiles = request.args.getlist("profile")
    document = Document("", 1, request.get_data(), _form())
    with _lock:
        issues, readable = _issues(document, validator, profiles)
    return Response(json.dumps(outcome(issues)), 200 if readable else 400, content_type=FHIR_JSON)


@cache
def _validator(release: str) -> Validator:
    return Validator(release)


def _release() -> str:
    """The FHIR release that the content type names; R4 where it names none."""
    version = request.mimetype_params.get("fhirversion", "4.0")
    if version not in RELEASES:
        known = ", ".join(RELEASES)
        raise UsageError("this fhirVersion cannot be validated", hint=f"known: {known}")
    return RELEASES[version]


def _form() -> str:
    if request.mimetype in XML_TYPES:
        return "xml"
    if request.mimetype in JSON_TYPES:
        return "json"
    raise UnsupportedMediaType


def _issues(
    document: Document, validator: Validator, profiles: list[str]
) -> tuple[list[Issue], bool]:
    """What is wrong with the resource, and whether there was one to look at."""
    instance = read(document, validator.definitions)
    if instance.resource is None:
        return instance.issues, False
    inside, named = _parameters(instance.resource)
    if inside is not None:
        # a resource inside Parameters has paths of its own, and lines that would mislead
        document = Document("", 1, dumps(inside))
    job = Job(validator, (*profiles, *named))
    return check_document(document, job).issues, True


def _parameters(resource: dict[str, Any]) -> tuple[dict[str, Any] | None, list[str]]:
    """The resource and the profiles of ``Parameters``; None for any other resource."""
    parameters = resource.get("parameter")
    if resource.get("resourceType") != "Parameters" or not isinstance(parameters, list):
        return None, []
    found: dict[str, Any] | None = None
    profiles = []
    for parameter in parameters:
        if not isinstance(parameter, dict):
            continue
        if parameter.get("name") == "resource" and isinstance(parameter.get("resource"), dict):
            found = parameter["resource"]
        elif parameter.get("name") == "profile":
            profile = parameter.get("valueCanonical") or parameter.get("valueUri")
            profiles += [profile] if isinstance(profile, str) else []
    return found, profiles if found is not None else []
