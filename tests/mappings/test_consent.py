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
