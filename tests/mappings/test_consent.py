from __future__ import annotations

from dataclasses import replace

from child_record import CHILD, CONSENT

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
    signed = replace(CONSENT, date="2024-02-28T09:30:00+08:00", withdrawn=None)
    _, consent, _ = map_entity(signed, r5)
    assert consent["date"] == "2024-02-28"
    assert consent["period"] == {"start": "2024-02-28T09:30:00+08:00"}
