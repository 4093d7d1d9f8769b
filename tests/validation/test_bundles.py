"""Bundles whose parts do not fit each other: full URLs, links, documents, messages, searches."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation.bundles import check_bundle

BASE = "http://ex.com/fhir/"
ONE = "urn:uuid:11111111-1111-4111-8111-111111111111"
TWO = "urn:uuid:22222222-2222-4222-8222-222222222222"
KINDS = "collection searchset history transaction batch transaction-response batch-response".split()
OPTIONAL = KINDS[3:]


def resource(kind: str, given: str | None, **more: Any) -> dict[str, Any]:
    return {"resourceType": kind, **({"id": given} if given else {}), **more}


PATIENT = resource("Patient", "p1")
OBSERVATION = resource("Observation", "o1", subject={"reference": "Patient/p1"})


def entry(url: str | None, held: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    found = {"fullUrl": url, "resource": held}
    return {**{name: one for name, one in found.items() if one is not None}, **more}


def at(held: dict[str, Any]) -> dict[str, Any]:
    return entry(f"{BASE}{held['resourceType']}/{held['id']}", held)


def bundle(kind: str, *entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries), **more}


def composition(*wanted: str, **more: Any) -> dict[str, Any]:
    listed = [{"entry": [{"reference": one} for one in wanted]}] if wanted else []
    return resource("Composition", "c1", section=listed, **more)


def found(held: dict[str, Any], release: str = "R4") -> list[tuple[str, Any]]:
    issues = check_bundle(held, "Bundle", release)
    return [(one.path, one.messageId) for one in issues if one.severity != "information"]


@pytest.mark.parametrize("kind", KINDS)
def test_full_urls_are_needed_but_in_transactions_and_batches(kind: str) -> None:
    issues = [one for one in found(bundle(kind, entry(None, PATIENT))) if "SEARCH" not in one[1]]
    wanted = [("Bundle.entry[0]", "BUNDLE_BUNDLE_ENTRY_FULLURL_REQUIRED")]
    assert issues == ([] if kind in OPTIONAL else wanted)


def test_a_resource_that_refers_to_others_needs_a_full_url() -> None:
    issue = ("Bundle.entry[0]", "Bundle_BUNDLE_Entry_NoFullUrl")
    assert found(bundle("transaction", entry(None, OBSERVATION))) == [issue]
    assert found(bundle("transaction-response", entry(None, OBSERVATION))) == []


@pytest.mark.parametrize(
    ("url", "given", "name"),
    [
        (BASE + "Patient/p1", "p1", None),
        (ONE, "p1", None),
        (BASE + "x/y", "p1", None),
        ("Patient/p1", "p1", "BUNDLE_ENTRY_URL_ABSOLUTE"),
        (BASE + "Patient/p2", "p1", "BUNDLE_ENTRY_URL_MATCHES_TYPE_ID"),
        (BASE + "Group/p1", "p1", "BUNDLE_ENTRY_URL_MATCHES_TYPE_ID"),
        (BASE + "Patient/p1", None, "BUNDLE_ENTRY_URL_MATCHES_NO_ID"),
    ],
)
def test_full_urls_fit_their_resources(url: str, given: str | None, name: str | None) -> None:
    issues = found(bundle("collection", entry(url, resource("Patient", given))))
    assert issues == ([("Bundle.entry[0]", name)] if name else [])


def test_a_canonical_is_no_full_url_unless_its_server_says_so() -> None:
    def names(url: str) -> list[Any]:
        held = bundle("collection", entry(url, resource("ValueSet", "v", url=url)))
        return [name for _, name in found(held)]

    assert names("http://a.b/ValueSet/v") == []
    assert names("http://a.b/vs/v") == ["Bundle_BUNDLE_Entry_MismatchIdUrl"]


@pytest.mark.parametrize(
    ("kind", "relation", "name"),
    [
        ("collection", "first", "BUNDLE_LINK_SEARCH_PROHIBITED"),
        ("document", "next", "BUNDLE_LINK_SEARCH_PROHIBITED"),
        ("transaction", "self", None),
        ("history", "next", None),
    ],
)
def test_links_of_search_sets_belong_there(kind: str, relation: str, name: str | None) -> None:
    held = bundle(kind, at(composition()), link=[{"relation": relation, "url": BASE}])
    assert found(held) == ([("Bundle.link[0].relation", name)] if name else [])


@pytest.mark.parametrize("kind", ["collection", "history", "batch"])
def test_there_is_one_link_to_the_bundle_itself(kind: str) -> None:
    held = bundle(kind, at(PATIENT), link=[{"relation": "self", "url": BASE}] * 2)
    assert [name for _, name in found(held)] == ["BUNDLE_LINK_SEARCH_NO_DUPLICATES"]


# --- documents ----------------------------------------------------------------------------------


def test_a_document_holds_what_its_composition_refers_to() -> None:
    head = composition("Observation/o1", subject={"reference": "Patient/p1"})
    assert found(bundle("document", at(head), at(PATIENT), at(OBSERVATION))) == []
    path = "Bundle.entry[0].resource"
    assert found(bundle("document", at(head))) == [
        (f"{path}.subject", "Bundle_BUNDLE_Entry_NotFound"),
        (f"{path}.section[0].entry[0]", "Bundle_BUNDLE_Entry_NotFound"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        ("author", [{"reference": TWO}], "author[0]"),
        ("encounter", {"reference": TWO}, "encounter"),
        ("custodian", {"reference": TWO}, "custodian"),
        ("attester", [{"party": {"reference": TWO}}], "attester[0].party"),
        ("event", [{"detail": [{"reference": TWO}]}], "event[0].detail[0]"),
    ],
)
def test_every_reference_of_a_composition_is_followed(name: str, value: Any, where: str) -> None:
    head = resource("Composition", "c1", **{name: value})
    issue = (f"Bundle.entry[0].resource.{where}", "Bundle_BUNDLE_Entry_NotFound")
    assert found(bundle("document", at(head))) == [issue]


def test_a_document_starts_with_a_composition() -> None:
    issues = found(bundle("document", at(PATIENT)))
    assert issues == [("Bundle.entry[0].resource", "Bundle_BUNDLE_Entry_Document")]
    assert found(bundle("document")) == [("Bundle", "Bundle_BUNDLE_Entry_NoFirst")]
    assert found(bundle("document", entry(BASE, None))) == [
        ("Bundle.entry[0]", "Bundle_BUNDLE_Entry_NoFirstResource")
    ]


def test_an_entry_that_nobody_refers_to_is_an_orphan() -> None:
    issues = found(bundle("document", at(composition()), at(PATIENT)))
    assert issues == [("Bundle.entry[1]", "Bundle_BUNDLE_Entry_Orphan_DOCUMENT")]


def test_entries_that_refer_to_reached_ones_are_reached_backwards() -> None:
    head = composition(subject={"reference": "Patient/p1"})
    held = bundle("document", at(head), at(PATIENT), at(OBSERVATION))
    assert found(held, "R4") == [("Bundle.entry[2]", "BUNDLE_BUNDLE_ENTRY_REVERSE_R4")]
    assert found(held, "R5") == []
    told = resource("Provenance", "x", target=[{"reference": "Patient/p1"}])
    assert found(bundle("document", at(head), at(PATIENT), at(told))) == []


def test_relative_references_do_not_lead_from_or_to_uuids() -> None:
    head = composition(subject={"reference": "Patient/p1"})
    issues = found(bundle("document", entry(ONE, head), entry(TWO, PATIENT)))
    assert issues == [
        ("Bundle.entry[0].resource.subject", "BUNDLE_BUNDLE_ENTRY_NOTFOUND_CANNOT"),
        ("Bundle.entry[1]", "Bundle_BUNDLE_Entry_Orphan_DOCUMENT"),
    ]


def test_two_entries_with_a_full_url_cannot_be_told_apart() -> None:
    head = composition(subject={"reference": "Patient/p1"})
    names = [name for _, name in found(bundle("document", at(head), at(PATIENT), at(PATIENT)))]
    assert names[0] == "BUNDLE_BUNDLE_ENTRY_FOUND_MULTIPLE"


def test_attachments_lead_to_entries_and_identifiers_do_not() -> None:
    head = composition("DocumentReference/d")
    file = resource("DocumentReference", "d", content=[{"attachment": {"url": "Binary/x"}}])
    assert found(bundle("document", at(head), at(file), at(resource("Binary", "x")))) == []
    named = composition(identifier={"system": "urn:ietf:rfc:3986", "value": ONE})
    names = [name for _, name in found(bundle("document", at(named), entry(ONE, PATIENT)))]
    assert names == ["Bundle_BUNDLE_Entry_Orphan_DOCUMENT"]


def test_a_stylesheet_is_in_the_document() -> None:
    link = [{"relation": "stylesheet", "url": "Binary/x"}]
    missing = ("Bundle.link[0].url", "BUNDLE_LINK_STYELSHEET_NOT_FOUND")
    assert found(bundle("document", at(composition()), link=link)) == [missing]
    held = bundle("document", at(composition()), at(resource("Binary", "x")), link=link)
    assert found(held) == []


# --- messages and searches ----------------------------------------------------------------------


def test_messages_hold_their_focus() -> None:
    head = resource("MessageHeader", "m", focus=[{"reference": "Patient/p1"}])
    assert found(bundle("message", at(head), at(PATIENT))) == []
    path = "Bundle.entry[0].resource"
    assert found(bundle("message", at(head))) == [
        (f"{path}.focus[0]", "Bundle_BUNDLE_Entry_NotFound")
    ]
    assert found(bundle("message", at(PATIENT))) == [(path, "Validation_BUNDLE_Message")]


def test_what_a_message_does_not_need_is_doubtful() -> None:
    issues = found(bundle("message", at(resource("MessageHeader", "m")), at(PATIENT)))
    assert issues == [("Bundle.entry[1]", "Bundle_BUNDLE_Entry_Orphan_MESSAGE")]


SELF = [{"relation": "self", "url": "http://ex.com/fhir/Patient?name=x"}]


@pytest.mark.parametrize(
    ("held", "mode", "name"),
    [
        (PATIENT, "match", None),
        (OBSERVATION, "include", None),
        (resource("OperationOutcome", None), "outcome", None),
        (OBSERVATION, "match", "BUNDLE_SEARCH_ENTRY_WRONG_RESOURCE_TYPE_MODE"),
        (OBSERVATION, "outcome", "BUNDLE_SEARCH_ENTRY_WRONG_RESOURCE_TYPE_OUTCOME"),
        (resource("Patient", None), "match", "BUNDLE_SEARCH_ENTRY_NO_RESOURCE_ID"),
        (OBSERVATION, None, "BUNDLE_SEARCH_ENTRY_WRONG_RESOURCE_TYPE_NO_MODE"),
    ],
)
def test_entries_of_a_search_fit_it(held: Any, mode: str | None, name: str | None) -> None:
    search = {"search": {"mode": mode}} if mode else {}
    issues = found(bundle("searchset", entry(ONE, held, **search), link=SELF))
    assert [one for _, one in issues][:1] == ([name] if name else [])


def test_a_search_set_tells_its_search() -> None:
    held = entry(ONE, PATIENT, search={"mode": "match"})
    assert found(bundle("searchset", held)) == [("Bundle", "BUNDLE_SEARCH_NOSELF")]


@pytest.mark.parametrize("held", [{"entry": 3}, {"entry": [3, {"resource": 3}]}, {"link": [None]}])
def test_what_is_no_bundle_at_all_does_not_stop_the_checks(held: dict[str, Any]) -> None:
    assert isinstance(check_bundle({"type": "document", **held}, "Bundle", "R4"), list)
