"""What the answers of real servers prove, entry by entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from adapter.errors import ProtocolError
from adapter.fhir.writing import bundle_verdicts, etag, issue_codes, judged, place_of


@dataclass
class Asked:
    reference: str
    action: str = "put"
    place: str | None = None


A, B, C = (Asked(f"Patient/{name}") for name in "abc")


def response(*entries: dict[str, Any], kind: str = "transaction-response") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(status: str, location: str | None = None, etag: str | None = None) -> dict[str, Any]:
    said = {"status": status, "location": location, "etag": etag}
    return {"response": {name: value for name, value in said.items() if value}}


def outcomes(changes: list[Asked], body: Any) -> list[str]:
    verdicts = bundle_verdicts(changes, body)
    return [verdicts[change.reference].outcome for change in changes]


@pytest.mark.parametrize(
    "written",
    [
        entry("201 Created", "Patient/a/_history/1", "1"),
        entry("200 OK", "Patient/a/_history/1", 'W/"1"'),
        entry("201", "http://127.0.0.1/fhir/Patient/a/_history/1"),
        {"response": {"status": "200"},
         "resource": {"resourceType": "Patient", "id": "a", "meta": {"versionId": "1"}}},
    ],
)  # fmt: skip
def test_every_server_s_way_to_say_done(written: dict[str, Any]) -> None:
    verdict = bundle_verdicts([A], response(written))["Patient/a"]
    assert (verdict.outcome, verdict.version) == ("done", "1")


def test_a_transaction_that_was_run_as_a_batch_is_judged_entry_by_entry() -> None:
    body = response(
        entry("201", "Patient/a/_history/1"), entry("429"), entry("409 Conflict"),
        kind="batch-response",
    )  # fmt: skip
    assert outcomes([A, B, C], body) == ["done", "unknown", "conflict"]


def test_entries_in_another_order_are_matched_by_location() -> None:
    body = response(entry("201", "Patient/b/_history/7"), entry("201", "Patient/a/_history/3"))
    verdicts = bundle_verdicts([A, B], body)
    assert (verdicts["Patient/a"].version, verdicts["Patient/b"].version) == ("3", "7")


@pytest.mark.parametrize(
    "body",
    [
        response(entry("201", "Patient/a/_history/1")),
        response(entry("201", "Patient/a/_history/1"), entry("422")),
        response(entry("422"), entry("201", "Patient/a/_history/1"), entry("201")),
    ],
)
def test_what_no_entry_accounts_for_is_never_done(body: dict[str, Any]) -> None:
    found = outcomes([A, B, C], body)
    assert found[0] == "done"
    assert set(found[1:]) == {"unknown"}


def test_a_nameless_refusal_in_another_order_is_nobody_s() -> None:
    body = response(entry("422"), entry("201", "Patient/a/_history/1"))
    assert outcomes([A, B], body) == ["done", "unknown"]


def test_2xx_without_a_name_proves_nothing() -> None:
    assert outcomes([A], response(entry("200"))) == ["unknown"]


@pytest.mark.parametrize(
    "body", [None, [], {}, {"resourceType": "Bundle", "type": "searchset"}, {"type": "x"}]
)
def test_another_answer_is_no_response(body: Any) -> None:
    with pytest.raises(ProtocolError):
        bundle_verdicts([A], body)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "done"), (201, "done"), (204, "done"), (302, "unknown"), (0, "unknown"),
        (400, "refused"), (403, "forbidden"), (404, "refused"), (409, "conflict"),
        (412, "conflict"), (422, "refused"), (429, "unknown"), (500, "unknown"), (503, "unknown"),
    ],
)  # fmt: skip
def test_each_status_has_one_class(status: int, outcome: str) -> None:
    assert judged(status) == outcome


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Patient/a", ("Patient/a", None)),
        ("https://h/fhir/Patient/a/_history/2", ("Patient/a", "2")),
        ("Patient/a?x=y", ("Patient/a", None)),
        ("", (None, None)),
        ("elsewhere", (None, None)),
    ],
)
def test_places(text: str, found: tuple[str | None, str | None]) -> None:
    assert place_of(text) == found


@pytest.mark.parametrize(
    ("text", "version"),
    [('W/"1"', "1"), ('"1"', "1"), ("1", "1"), ('""1""', "1"), ("", None), (None, None)],
)
def test_etags(text: Any, version: str | None) -> None:
    assert etag(text) == version


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ({"issue": [{"code": "invalid", "diagnostics": "the name Li Ming"}]}, ("invalid",)),
        ({"issue": [{"code": "invalid"}] * 200}, (*["invalid"] * 5, "and 195 more")),
        ({"issue": [{"details": {"text": "no code"}}, None, {"code": 7}]}, ()),
        ({"issue": "nothing"}, ()),
        ("<html>", ()),
        (None, ()),
    ],
)
def test_of_an_outcome_only_codes_are_kept(outcome: Any, said: tuple[str, ...]) -> None:
    assert issue_codes(outcome) == said
