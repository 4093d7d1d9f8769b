"""FHIR's $validate over HTTP: JSON and XML, bare or in Parameters."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

ADDRESS = "/fhir/$validate"
GOOD = {"resourceType": "Patient", "id": "p", "gender": "male"}
BAD = {**GOOD, "gender": "man"}
GOOD_XML = '<Patient xmlns="http://hl7.org/fhir"><id value="p"/><gender value="male"/></Patient>'
BAD_XML = GOOD_XML.replace('"male"', '"man"').replace("<gender", "\n<gender")


def ask(client: FlaskClient, body: object, kind: str = "application/fhir+json") -> TestResponse:
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post(ADDRESS, data=data, content_type=kind)


def errors(answer: TestResponse) -> list[dict[str, Any]]:
    assert answer.content_type == "application/fhir+json"
    outcome = answer.get_json()
    assert outcome["resourceType"] == "OperationOutcome"
    return [issue for issue in outcome["issue"] if issue["severity"] in ("error", "fatal")]


def parameters(resource: dict[str, Any], **more: Any) -> dict[str, Any]:
    parts = [{"name": "resource", "resource": resource}, {"name": "mode", "valueCode": "create"}]
    profiles = [{"name": "profile", **more}] if more else []
    return {"resourceType": "Parameters", "parameter": [*parts, *profiles]}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (GOOD, "application/fhir+json"),
        (GOOD, "application/json; charset=utf-8"),
        (GOOD, "application/fhir+json; fhirVersion=4.3"),
        (GOOD, "application/fhir+json; fhirVersion=5.0"),
        (parameters(GOOD), "application/fhir+json"),
        (GOOD_XML, "application/fhir+xml"),
        (GOOD_XML, "application/xml"),
    ],
)
def test_a_good_resource(client: FlaskClient, body: object, kind: str) -> None:
    answer = ask(client, body, kind)
    assert answer.status_code == 200
    assert errors(answer) == []
    assert answer.get_json()["issue"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (BAD, "application/fhir+json"),
        (parameters(BAD), "application/fhir+json"),
        (BAD_XML, "application/fhir+xml"),
    ],
)
def test_a_bad_resource_is_still_answered_with_200(
    client: FlaskClient, body: object, kind: str
) -> None:
    answer = ask(client, body, kind)
    assert answer.status_code == 200
    assert ["Patient.gender"] in [issue["expression"] for issue in errors(answer)]


def test_an_issue_names_its_line(client: FlaskClient) -> None:
    found = errors(ask(client, BAD_XML, "application/fhir+xml"))
    assert {issue["diagnostics"] for issue in found} == {"line 2"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("", "application/fhir+json"),
        ("{", "application/fhir+json"),
        ("[" * 100_000, "application/fhir+json"),
        ("<Patient", "application/fhir+xml"),
        ('<!DOCTYPE x [<!ENTITY e "e">]><x>&e;</x>', "application/fhir+xml"),
    ],
)
def test_what_cannot_be_read_is_400(client: FlaskClient, body: str, kind: str) -> None:
    answer = ask(client, body, kind)
    assert answer.status_code == 400
    assert errors(answer)


UNKNOWN = "https://example.org/StructureDefinition/unknown"


def test_an_unknown_profile_is_400(client: FlaskClient) -> None:
    answers = [
        client.post(f"{ADDRESS}?profile={UNKNOWN}", json=GOOD),
        ask(client, parameters(GOOD, valueUri=UNKNOWN)),
        ask(client, parameters(GOOD, valueCanonical=UNKNOWN)),
    ]
    assert [answer.status_code for answer in answers] == [400] * 3


def test_a_known_profile(client: FlaskClient) -> None:
    profile = "http://hl7.org/fhir/StructureDefinition/bodyweight"
    body = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    bare, profiled = ask(client, body), client.post(f"{ADDRESS}?profile={profile}", json=body)
    assert errors(bare) == []
    assert errors(profiled)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("text/plain", 415),
        ("application/fhir+turtle", 415),
        ("application/fhir+json; fhirVersion=3.0", 400),
    ],
)
def test_other_types_and_releases(client: FlaskClient, kind: str, status: int) -> None:
    assert ask(client, GOOD, kind).status_code == status


def test_a_body_that_is_too_large(client: FlaskClient) -> None:
    assert ask(client, {**GOOD, "id": "x" * 1_100_000}).status_code == 413


def test_without_token(stranger: FlaskClient) -> None:
    assert ask(stranger, GOOD).status_code == 401


def test_only_post(client: FlaskClient) -> None:
    assert client.get(ADDRESS).status_code == 405
