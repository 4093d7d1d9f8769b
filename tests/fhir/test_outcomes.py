"""What an OperationOutcome says: codes and places here, words there."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.fhir.outcomes import MOST_ISSUES, MOST_WORDS, said_of

CANARY = "CANARY-NAME-7f3a"
HAPI = "Profile reference 'https://w3id.org/x' has not been checked because it could not be found"


def outcome(*issues: Any) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def test_codes_and_places_are_kept_and_words_are_apart() -> None:
    said = said_of(
        outcome(
            {
                "severity": "error",
                "code": "invariant",
                "expression": ["Observation.value.ofType(Quantity)", f"name = '{CANARY}'"],
                "location": ["Line[1] Col[25]"],
                "diagnostics": f"{CANARY} said so",
                "details": {
                    "coding": [{"system": "http://hl7.org/x", "code": "a-1", "display": CANARY}],
                    "text": CANARY,
                },
            }
        )
    )
    assert said is not None
    assert said.issues == (
        {
            "severity": "error",
            "code": "invariant",
            "expression": ["Observation.value.ofType(Quantity)"],
            "location": ["Line[1] Col[25]"],
            "details": {"coding": [{"system": "http://hl7.org/x", "code": "a-1"}]},
        },
    )
    assert said.words == ({"diagnostics": f"{CANARY} said so", "text": CANARY},)


def test_only_so_much_of_it_is_kept() -> None:
    issue = {"severity": "error", "code": "value", "diagnostics": "x" * 900}
    said = said_of(outcome(*[issue] * 200))
    assert said is not None
    assert (said.count, len(said.issues), len(said.words)) == (200, MOST_ISSUES, MOST_ISSUES)
    assert sum(len(words.get("diagnostics", "")) for words in said.words) == MOST_WORDS


@pytest.mark.parametrize(
    "body",
    [None, [], "text", {}, {"issue": 7}, {"issue": []}, {"issue": ["x"]}, {"resourceType": "X"}],
)
def test_what_says_nothing_is_none(body: Any) -> None:
    assert said_of(body) is None


def test_nothing_in_it_breaks_the_reader() -> None:
    strange = {
        "severity": [],
        "code": {},
        "expression": "x",
        "location": [7, None],
        "details": {"coding": [None, {"code": 7}], "text": []},
        "diagnostics": 5,
    }
    said = said_of(outcome(strange, {"details": "x"}))
    assert said is not None
    assert (said.issues, said.words) == (({}, {}), ({}, {}))


@pytest.mark.parametrize(
    ("issue", "unknown"),
    [
        ({"severity": "error", "diagnostics": HAPI}, True),
        ({"severity": "error", "diagnostics": "Unknown profile https://w3id.org/x"}, True),
        ({"severity": "error", "details": {"text": "Profile https://x is not supported"}}, True),
        ({"details": {"coding": [{"code": "VALIDATION_VAL_PROFILE_UNKNOWN"}]}}, True),
        ({"severity": "warning", "diagnostics": HAPI}, False),
        ({"severity": "error", "diagnostics": "Observation.status: minimum required = 1"}, False),
        ({"severity": "error", "diagnostics": "Unknown extension https://x"}, False),
    ],
)
def test_a_profile_that_the_server_does_not_know_is_recognised(
    issue: dict[str, Any], unknown: bool
) -> None:
    said = said_of(outcome(issue))
    assert said is not None
    assert said.is_unknown_profile is unknown
