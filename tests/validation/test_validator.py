"""The gate: what it lets through, what it names, and that it quotes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.errors import UsageError
from adapter.validation import Validator

PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p1", "gender": "male"}


def test_a_good_resource_passes_as_dict_text_and_bytes() -> None:
    validator = Validator("R4")
    assert validator.validate(PATIENT) == []
    assert validator.is_valid('{"resourceType":"Patient"}')
    assert validator.is_valid(b'{"resourceType":"Patient"}')


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"birthDate": "CANARY"}, "Patient.birthDate", "value"),
        ({"shoe": "CANARY"}, "Patient.shoe", "structure"),
        ({"contact": [{"gender": 3}]}, "Patient.contact[0].gender", "invalid"),
    ],
)
def test_a_fault_has_a_path_and_no_value(change: dict[str, Any], path: str, code: str) -> None:
    issue = Validator("R4").validate({**PATIENT, **change})[0]
    assert issue.path == path
    assert issue.severity == "error"
    assert "CANARY" not in str(issue)
    assert issue.to_json()["id"] == "p1"


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"resourceType":"../os"}', "{}"])
def test_what_is_no_resource_is_an_issue_not_a_crash(text: str) -> None:
    assert not Validator("R4").is_valid(text)


def test_what_this_version_cannot_check_it_does_not_pretend_to() -> None:
    with pytest.raises(UsageError):
        Validator("R5")
    with pytest.raises(UsageError):
        Validator("R4", packages=["x.tgz"])
    with pytest.raises(UsageError):
        Validator("R4").validate(PATIENT, profiles=["http://x"])
