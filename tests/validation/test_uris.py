"""URIs, identifiers and labels that HL7's validator objects to, and those that it lets pass."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation.uris import (
    check_defining_url,
    check_identifier,
    check_labels,
    check_uri,
    is_absolute_url,
)

UUID = "urn:uuid:11111111-1111-4111-8111-111111111111"


def names(kind: str, value: str) -> list[str | None]:
    return [one.messageId for one in check_uri(kind, value, "Patient.x")]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uri", "http://hl7.org/fhir"),
        ("uri", "Patient"),
        ("uri", UUID),
        ("uri", "urn:oid:1.2.840.113883"),
        ("uri", "urn:oid:1.3"),
        ("canonical", "http://a.b/ValueSet/c|1.0"),
        ("canonical", "#a"),
        ("canonical", f"{UUID}|2"),
        ("uuid", UUID),
        ("oid", "urn:oid:1.2.3.4.5"),
        ("url", "mailto:someone@example.org"),
    ],
)
def test_good_uris_have_no_issues(kind: str, value: str) -> None:
    assert names(kind, value) == []


@pytest.mark.parametrize(
    ("kind", "value", "name"),
    [
        ("uri", "oid:1.2.3", "Type_Specific_Checks_DT_URI_OID"),
        ("uri", "uuid:x", "Type_Specific_Checks_DT_URI_UUID"),
        ("uri", "http://a b", "Type_Specific_Checks_DT_URI_WS"),
        ("uri", "http://a.b\t", "Type_Specific_Checks_DT_URI_WS"),
        (
            "uri",
            UUID.upper().replace("URN:UUID", "urn:uuid") + "A",
            "Type_Specific_Checks_DT_UUID_Valid",
        ),
        ("uri", "urn:oid:5.2.3.4", "Type_Specific_Checks_DT_OID_Valid"),
        ("uri", "urn:oid:1.2.03.4.5", "Type_Specific_Checks_DT_OID_Valid"),
        ("uri", "urn:oid:1.2", "Type_Specific_Checks_DT_OID_Valid"),
        ("oid", "1.2.3.4.5", "Type_Specific_Checks_DT_OID_Start"),
        ("uuid", "11111111-1111-4111-8111-111111111111", "Type_Specific_Checks_DT_UUID_Strat"),
        ("canonical", "ValueSet/c", "TYPE_SPECIFIC_CHECKS_CANONICAL_ABSOLUTE"),
    ],
)
def test_bad_uris_are_errors(kind: str, value: str, name: str) -> None:
    assert names(kind, value) == [name]


@pytest.mark.parametrize(
    ("value", "absolute"),
    [
        ("http://a", True),
        ("urn:x", True),
        ("tel:1", True),
        ("HTTP://a", False),
        ("a/b", False),
        ("http:", False),
        ("x:a b", False),
        (None, False),
    ],
)
def test_absolute_urls_have_a_scheme(value: object, absolute: bool) -> None:
    assert is_absolute_url(value) is absolute


@pytest.mark.parametrize(
    ("system", "value", "severity"),
    [
        ("http://a.b", "1", None),
        ("ldap:x", "1", None),
        ("urn:ietf:rfc:3986", UUID, None),
        ("urn:ietf:rfc:3986", "abc", "error"),
        ("urn:ietf:rfc:3986", "file:x", "error"),
        ("patients", "1", "error"),
        ("ftp://a.b", "1", "error"),
        ("https://tools.ietf.org/html/rfc4122", UUID, "warning"),
        ("https://tools.ietf.org/html/rfc4122", "abc", "error"),
    ],
)
def test_identifier_systems_are_global(system: str, value: str, severity: str | None) -> None:
    found = check_identifier({"system": system, "value": value}, "Patient.identifier[0]")
    assert [one.severity for one in found] == ([severity] if severity else [])


def test_a_definition_has_an_absolute_url_of_its_own() -> None:
    assert check_defining_url("http://a.b/ValueSet/c", "ValueSet.url") == []
    found = check_defining_url("c", "ValueSet.url", contained=True)
    assert found[0].messageId == "TYPE_SPECIFIC_CHECKS_CANONICAL_CONTAINED"


def test_a_security_label_is_given_once() -> None:
    label: dict[str, Any] = {"system": "http://a.b", "code": "R"}
    resource = {"meta": {"security": [label, {"system": "http://a.b", "code": "N"}, label]}}
    assert [one.path for one in check_labels(resource, "Patient")] == ["Patient.meta.security[2]"]
    assert check_labels({"meta": {"security": [label]}}, "Patient") == []
