from __future__ import annotations

from dataclasses import replace

import pytest
from child_record import CHILD, CONSENT, DISPOSITION, SUBJECT, default_context

from adapter.validation import Validator
from mappings import Context, Resource, map_entity
from mappings.research_subject import research_subject


def test_a_child_takes_part_in_its_arm(to: Context) -> None:
    resource = research_subject(SUBJECT, to)
    assert resource["status"] == "on-study"
    assert resource["period"] == {"start": "2024-03-01"}
    assert resource["assignedArm"] == resource["actualArm"] == "experimental group"
    assert resource["individual"] == to.reference("Patient", CHILD)
    assert resource["study"] == to.reference("ResearchStudy", ("NCT05862675",))
    assert resource["identifier"][0]["type"]["coding"][0]["code"] == "ANON"
    assert resource["id"] != to.id("Patient", CHILD)


def test_a_disposition_ends_the_participation(to: Context) -> None:
    resource = research_subject(replace(SUBJECT, disposition=DISPOSITION), to)
    assert resource["status"] == "withdrawn"
    assert resource["period"] == {"start": "2024-03-01", "end": "2024-05-01"}


def test_the_reason_of_the_end_is_an_observation(to: Context) -> None:
    (reason,) = map_entity(DISPOSITION, to)
    assert reason["code"]["coding"][0]["code"] == "end-of-participation"
    assert reason["valueCodeableConcept"]["text"] == "Withdrawal by the parent or guardian"
    assert reason["focus"] == [to.reference("ResearchSubject", CHILD)]
    assert reason["effectiveDateTime"] == "2024-05-01"
    assert map_entity(replace(DISPOSITION, reason=None), to) == []


def progress(resource: Resource) -> list[tuple[str, str]]:
    """Milestone or state, and since when."""
    return [
        ((each.get("milestone") or each["subjectState"])["text"], each["startDate"])
        for each in resource["progress"]
    ]


def test_r5_tells_the_course_of_a_participation(r5: Context) -> None:
    resource = research_subject(SUBJECT, r5, consents=[CONSENT])
    assert progress(resource) == [
        ("Signed up", "2024-02-26"),
        ("Screened", "2024-02-27"),
        ("Informed consent given", "2024-02-28"),
        ("Informed assent given", "2024-02-28"),
        ("Randomized", "2024-03-01T10:00:00+08:00"),
        ("Entered into the study", "2024-03-01"),
        ("On-study", "2024-03-01"),
    ]
    assert resource["status"] == "active"
    assert resource["subject"] == r5.reference("Patient", CHILD)
    assert resource["consent"] == [
        r5.reference("Consent", CONSENT.key),
        r5.reference("Consent", CONSENT.key, "assent"),
    ]


def test_a_refused_consent_is_no_milestone(r5: Context) -> None:
    refused = replace(CONSENT, decision="deny", assent=None)
    resource = research_subject(SUBJECT, r5, consents=[refused])
    assert "Informed consent given" not in dict(progress(resource))


def test_in_r5_the_reason_of_the_end_stands_beside_the_state(r5: Context) -> None:
    resource = research_subject(replace(SUBJECT, disposition=DISPOSITION), r5)
    on_study, withdrawn = resource["progress"][-2:]
    assert on_study["endDate"] == withdrawn["startDate"] == "2024-05-01"
    assert withdrawn["subjectState"]["coding"][0]["code"] == "withdrawn"
    assert withdrawn["reason"]["text"] == "Withdrawal by the parent or guardian"
    assert map_entity(DISPOSITION, r5) == []


def test_in_r5_the_arm_is_the_link_id_of_its_comparison_group(r5: Context) -> None:
    resource = research_subject(SUBJECT, r5)
    link = r5.id("ResearchStudy", ("NCT05862675", "experimental group"), "arm")
    assert resource["assignedComparisonGroup"] == resource["actualComparisonGroup"] == link


def test_r4_keeps_the_milestones_that_nothing_else_holds(to: Context) -> None:
    found = research_subject(SUBJECT, to, consents=[CONSENT])["extension"]
    told = [{part["url"]: part for part in each["extension"]} for each in found]
    assert [each["milestone"]["valueCodeableConcept"]["text"] for each in told] == [
        "Signed up",
        "Screened",
        "Randomized",
    ]
    assert told[0]["startDate"]["valueDateTime"] == "2024-02-26"


def test_r4_refers_to_the_latest_consent(to: Context) -> None:
    renewed = replace(CONSENT, key=(*CHILD, "again"), date="2024-03-09")
    resource = research_subject(SUBJECT, to, consents=[renewed, CONSENT])
    assert resource["consent"] == to.reference("Consent", renewed.key)


@pytest.mark.parametrize("release", ["R4", "R4B"])
def test_a_subject_as_mii_studie_has_it(release: str) -> None:
    mii = default_context(release=release, flavours=["mii-studie"])
    resource = research_subject(SUBJECT, mii)
    assert resource["meta"]["profile"] == [
        "https://w3id.org/study-fhir-adapter/StructureDefinition/mii-studie-subject"
    ]
    assert resource["identifier"][0]["type"]["coding"][0]["code"] == "ANON"
    assert resource["period"]["start"]
    assert resource["consent"]["extension"][0]["valueCode"] == "unknown"
    issues = Validator(release).validate(resource)
    assert [i for i in issues if i.severity in ("error", "fatal")] == []
    known = research_subject(SUBJECT, mii, consents=[CONSENT])
    assert known["consent"] == mii.reference("Consent", CONSENT.key)
