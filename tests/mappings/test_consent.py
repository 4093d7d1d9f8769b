from __future__ import annotations

from dataclasses import replace

import pytest
from child_record import CHILD, CONSENT, RELEASES, default_context

from adapter.validation import Validator
from mappings import Context, map_entity


def test_a_mother_consents_and_the_child_assents(to: Context) -> None:
    mother, consent, assent = map_entity(CONSENT, to)
    assert mother["relationship"][0]["coding"][0]["code"] == "MTH"
    assert mother["patient"] == to.reference("Patient", CHILD)
    assert "name" not in mother
    assert consent["performer"] == [{"reference": f"RelatedPerson/{mother['id']}"}]
    assert assent["performer"] == [to.reference("Patient", CHILD)]
    assert consent["id"] != assent["id"]
    assert consent["scope"]["coding"][0]["code"] == "research"
    assert consent["policyRule"]["text"] == "Informed consent to take part in study NCT05862675"


def test_a_withdrawn_consent_ends(to: Context) -> None:
    _, consent, _ = map_entity(CONSENT, to)
    assert consent["status"] == "inactive"
    assert consent["provision"]["period"] == {"start": "2024-02-28", "end": "2024-05-01"}


def test_a_standing_consent_is_active(to: Context) -> None:
    _, consent, _ = map_entity(replace(CONSENT, withdrawn=None), to)
    assert consent["status"] == "active"
    assert consent["provision"]["type"] == "permit"


def test_nobody_is_invented(to: Context) -> None:
    (consent,) = map_entity(replace(CONSENT, guardian=None, assent=None, decision="deny"), to)
    assert "performer" not in consent
    assert consent["provision"]["type"] == "deny"


def test_r5_names_the_grantor_and_puts_the_decision_on_top(r5: Context) -> None:
    mother, consent, assent = map_entity(CONSENT, r5)
    assert consent["grantor"] == [{"reference": f"RelatedPerson/{mother['id']}"}]
    assert assent["grantor"] == [r5.reference("Patient", CHILD)]
    assert (consent["decision"], assent["decision"]) == ("permit", "permit")
    assert consent["policyBasis"]["reference"] == r5.reference("ResearchStudy", ("NCT05862675",))
    assert consent["period"] == {"start": "2024-02-28", "end": "2024-05-01"}
    assert consent["provision"][0]["purpose"][0]["code"] == "HRESCH"


def test_the_date_of_a_consent_in_r5_has_no_time(r5: Context) -> None:
    signed = replace(CONSENT, date="2024-02-28T09:30:00+08:00", withdrawn=None, expires=None)
    _, consent, _ = map_entity(signed, r5)
    assert consent["date"] == "2024-02-28"
    assert consent["period"] == {"start": "2024-02-28T09:30:00+08:00"}


def test_a_consent_ends_when_it_expires_or_is_withdrawn(to: Context) -> None:
    ends = []
    for withdrawn, expires in ((None, "2034"), ("2024-05-01", "2024-04-01"), ("2024-05-01", None)):
        _, consent, _ = map_entity(replace(CONSENT, withdrawn=withdrawn, expires=expires), to)
        ends.append(consent["provision"]["period"]["end"])
    assert ends == ["2034", "2024-04-01", "2024-05-01"]


@pytest.mark.parametrize("release", RELEASES)
def test_what_a_consent_excludes_is_an_exception_within(release: str) -> None:
    to = default_context(release=release)
    excluding = replace(CONSENT, genetics="deny", export="deny")
    _, consent, assent = map_entity(excluding, to)
    outer = consent["provision"][0] if to.r5 else consent["provision"]
    genetics, export = outer["provision"]
    assert genetics["code"][0]["coding"][0]["code"] == "genetics"
    assert export["action"][0]["coding"][0]["code"] == "export"
    assert [each.get("type") for each in (genetics, export)] == [None if to.r5 else "deny"] * 2
    assert "purpose" in outer
    assert "exclu" not in str(assent)
    validator = Validator(release)
    errors = [i for each in (consent, assent) for i in validator.validate(each)]
    assert [i for i in errors if i.severity in ("error", "fatal")] == []


def test_what_is_permitted_or_denied_as_a_whole_has_no_exception(to: Context) -> None:
    for consent in (CONSENT, replace(CONSENT, decision="deny", genetics="deny")):
        assert "provision" not in map_entity(consent, to)[1]["provision"]
