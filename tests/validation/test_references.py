"""Where references lead, and what is wrong with those that lead nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation import Validator
from adapter.validation.issues import Issue
from adapter.validation.references import RunIndex, Scope, check_internal, check_reference

BASE = "http://ex.com/fhir/"
ONE = "urn:uuid:11111111-1111-4111-8111-111111111111"
TWO = "urn:uuid:22222222-2222-4222-8222-222222222222"
R5_ELEMENTS = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ResearchStudy"
PATIENT = {"resourceType": "Patient", "id": "p1"}


def observation(reference: str | dict[str, Any], **more: Any) -> dict[str, Any]:
    subject = {"reference": reference} if isinstance(reference, str) else reference
    return {"resourceType": "Observation", "id": "o1", "subject": subject, **more}


def bundle(kind: str, *entries: tuple[str | None, dict[str, Any]]) -> dict[str, Any]:
    listed = [
        {"fullUrl": url, "resource": held} if url else {"resource": held} for url, held in entries
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": listed}


def checked(resource: dict[str, Any], release: str = "R4", **more: Any) -> list[Issue]:
    scope = Scope(resource, more.get("run"))
    value, path = resource["subject"], "Observation.subject"
    return check_reference(value, path, resource, scope, None, None, release, False)


def in_bundle(
    kind: str, url: str | None, reference: str, *others: Any, release: str = "R4"
) -> list[str | None]:
    """The messageIds of an Observation's reference within a Bundle."""
    resource = observation(reference)
    whole = bundle(kind, (url, resource), *others)
    scope = Scope(whole)
    found = check_reference(resource["subject"], "", resource, scope, whole, url, release, False)
    return [one.messageId for one in found]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("Patient/1", None),
        ("http://a.b/Patient/1", None),
        (ONE, None),
        ("1", None),
        ("#x", "Reference_REF_CantResolve"),
        ("#", "Reference_REF_CantResolve"),
        ("Patient/ 1", "REFERENCE_REF_INVALID_REF"),
        ("Patient?identifier=x", "REFERENCE_REF_QUERY_NOT_TRANSACTION"),
    ],
)
def test_a_reference_of_a_resource_by_itself(reference: str, name: str | None) -> None:
    assert [one.messageId for one in checked(observation(reference))] == ([name] if name else [])


def test_a_reference_without_reference_should_have_a_display() -> None:
    (issue,) = checked(observation({"type": "Patient"}))
    assert (issue.severity, issue.messageId) == ("warning", "Reference_REF_NoDisplay")
    assert checked(observation({"display": "the patient"})) == []
    assert checked(observation({"identifier": {"value": "1"}})) == []


@pytest.mark.parametrize(
    ("reference", "wrong"),
    [
        ("Patient/1", False),
        ("Group/1", True),
        ("http://a.b/Group/1/_history/2", True),
        (ONE, False),
    ],
)
def test_the_type_of_a_reference_is_that_of_its_url(reference: str, wrong: bool) -> None:
    found = checked(observation({"reference": reference, "type": "Patient"}))
    assert [one.messageId for one in found] == ["Reference_REF_BadTargetType"] * wrong


def test_fragments_name_contained_resources() -> None:
    inner = {"resourceType": "Patient", "id": "a"}
    resource = observation("#a", contained=[inner])
    assert checked(resource) == []
    assert Scope(resource).resolve("#a", resource) is inner
    assert Scope(resource).resolve("#", resource) is resource


@pytest.mark.parametrize("kind", ["collection", "transaction", "document", "searchset"])
@pytest.mark.parametrize(
    ("urls", "reference"),
    [
        ((BASE + "Observation/o1", BASE + "Patient/p1"), "Patient/p1"),
        ((BASE + "Observation/o1", BASE + "Patient/p1"), BASE + "Patient/p1"),
        ((ONE, TWO), TWO),
    ],
)
def test_entries_are_found_by_full_url(kind: str, urls: tuple[str, str], reference: str) -> None:
    resource = observation(reference)
    whole = bundle(kind, (urls[0], resource), (urls[1], PATIENT))
    assert Scope(whole).resolve(reference, resource, whole, urls[0]) is PATIENT
    assert in_bundle(kind, urls[0], reference, (urls[1], PATIENT)) == []


def test_a_version_must_be_the_one_of_the_entry() -> None:
    versioned = {**PATIENT, "meta": {"versionId": "2"}}
    url = BASE + "Observation/o1"
    whole = bundle("collection", (BASE + "Patient/p1", versioned))
    scope = Scope(whole)
    assert scope.resolve("Patient/p1/_history/2", {}, whole, url) is versioned
    assert scope.resolve("Patient/p1/_history/3", {}, whole, url) is None


@pytest.mark.parametrize(
    ("kind", "url", "reference", "name"),
    [
        ("collection", None, "Patient/p1", "Bundle_BUNDLE_FullUrl_Missing"),
        ("transaction-response", None, "Patient/p1", None),
        ("collection", BASE + "Observation/o1", "p1", "Reference_REF_Format2"),
        ("transaction", BASE + "Observation/o1", "p1", "Reference_REF_Format1"),
        ("transaction", BASE + "Observation/o1", "Patient?identifier=a", None),
        ("batch", BASE + "Observation/o1", "Patient?a=b", "REFERENCE_REF_QUERY_NOT_TRANSACTION"),
        ("collection", ONE, TWO, "Bundle_BUNDLE_Not_Local"),
    ],
)
def test_references_that_a_bundle_cannot_hold(
    kind: str, url: str | None, reference: str, name: str | None
) -> None:
    assert in_bundle(kind, url, reference) == ([name] if name else [])


def test_the_same_full_url_twice_cannot_be_referred_to() -> None:
    other = (BASE + "Patient/p1", PATIENT)
    found = in_bundle("collection", BASE + "Observation/o1", "Patient/p1", other, other)
    assert found == ["Bundle_BUNDLE_MultipleMatches"]


def test_an_entry_of_another_server_is_no_match_but_worth_a_hint() -> None:
    other = ("http://other.com/Patient/p1", PATIENT)
    found = in_bundle("collection", BASE + "Observation/o1", "Patient/p1", other)
    assert found == ["BUNDLE_BUNDLE_POSSIBLE_MATCH_WRONG_FU"]


def test_relative_references_need_a_server_since_r5() -> None:
    other = (TWO, PATIENT)
    later = in_bundle("collection", ONE, "Patient/p1", other, release="R5")
    assert later == ["REFERENCE_REF_REL_UNSOLVEABLE"]
    assert in_bundle("collection", ONE, "Patient/p1", other) == [
        "BUNDLE_BUNDLE_POSSIBLE_MATCH_WRONG_FU"
    ]


def test_parameters_refer_to_one_another() -> None:
    resource = observation("Patient/p1")
    root = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "a", "part": [{"name": "b", "resource": PATIENT}]},
            {"name": "c", "resource": resource},
        ],
    }
    assert Scope(root).resolve("Patient/p1", resource) is PATIENT


def test_a_run_knows_what_it_has_seen() -> None:
    run = RunIndex()
    run.add({"resourceType": "Patient", "id": "1", "active": True})
    run.add({"resourceType": "Patient", "id": "2"}, lambda: {"resourceType": "Patient", "id": "2"})
    run.add({"resourceType": "Patient"})
    assert run.get("Patient", "1") == {"resourceType": "Patient", "id": "1", "active": True}
    assert run.get("Patient", "2") == {"resourceType": "Patient", "id": "2"}
    assert run.get("Patient", "3") is None
    assert checked(observation("Patient/1"), run=run) == []
    (issue,) = checked(observation("Patient/3"), run=run)
    assert issue.messageId == "Reference_REF_CantResolve"
    assert checked(observation("http://example.org/Patient/3"), run=run) == []


def test_canonicals_may_name_what_the_resource_holds() -> None:
    resource = {
        "resourceType": "Measure",
        "text": {"div": '<div xmlns="http://www.w3.org/1999/xhtml"><p id="t">x</p></div>'},
        "contained": [{"resourceType": "Library", "id": "l"}],
    }
    scope = Scope(resource)
    assert check_internal("canonical", "#l", "", scope, resource) == []
    assert check_internal("canonical", "#t", "", scope, resource) == []
    assert check_internal("canonical", "#z", "", scope, resource)[0].severity == "error"
    assert check_internal("uri", "#z", "", scope, resource)[0].severity == "warning"


def party(reference: str) -> dict[str, Any]:
    """A study in R4 with a party as R5 has it, which may be a plain role or R5's profile of it."""
    extension = f"{R5_ELEMENTS}.associatedParty"
    role = {"text": "Contact"}
    parts = [
        {"url": "role", "valueCodeableConcept": role},
        {"url": "party", "valueReference": {"reference": reference}},
    ]
    stated = {"resourceType": "ResearchStudy", "id": "s", "status": "active"}
    return stated | {"extension": [{"url": extension, "extension": parts}]}


@pytest.mark.parametrize(
    ("target", "wrong"),
    [
        ({"resourceType": "PractitionerRole", "id": "r", "code": [{"text": "Contact"}]}, []),
        ({"resourceType": "Organization", "id": "r", "name": "A hospital"}, []),
        ({"resourceType": "Patient", "id": "r"}, ["Reference_REF_CantMatchChoice"]),
    ],
)
def test_a_target_may_be_plain_where_its_type_stands_beside_profiles(
    target: dict[str, Any], wrong: list[str]
) -> None:
    study = party(f"{target['resourceType']}/r")
    entries = [(f"{BASE}ResearchStudy/s", study), (f"{BASE}{target['resourceType']}/r", target)]
    found = Validator("R4").validate(bundle("collection", *entries))
    ids = [one.messageId for one in found if str(one.messageId).startswith("Reference_REF")]
    assert ids == wrong
