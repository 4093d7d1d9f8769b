"""Study -> ResearchStudy: status, phases, dates, parties, and what R4 has no element for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_records import REGISTRY, SCHEMA, context

from adapter.sources.ctgov import read_registration
from mappings.entities import (
    Party,
    RegistryTerm,
    RelatedDocument,
    Study,
    StudyDate,
    StudyIdentifier,
)
from mappings.organization import organization_keys
from mappings.registry_terms import registry_concept
from mappings.research_study import research_study
from mappings.study_extensions import R5, REGISTRATION
from mappings.values import arm_link

CONTEXT = context()
SMALL = Study(key=("NCT05862675",), title="A small study", status="RECRUITING")
RAW = "https://w3id.org/study-fhir-adapter/CodeSystem/ctgov-"


def mapped(**changes: Any) -> dict[str, Any]:
    study = replace(SMALL, **changes)
    return research_study(study, (), organization_keys(study), CONTEXT)


def extensions(resource: dict[str, Any], name: str) -> list[Any]:
    """The extensions of a name: the value, or the values of the parts by part."""
    url = REGISTRATION if name == "studyRegistration" else f"{R5}{name}"
    return [_plain(each) for each in resource.get("extension", ()) if each["url"] == url]


def _plain(extension: dict[str, Any]) -> Any:
    if "extension" in extension:
        return {part["url"]: _plain(part) for part in extension["extension"]}
    return next(value for key, value in extension.items() if key.startswith("value"))


def codes(concept: dict[str, Any]) -> list[str]:
    return [coding["code"] for coding in concept["coding"]]


def test_a_study_without_anything_else() -> None:
    resource = mapped()
    assert resource["status"] == "active"
    assert resource["title"] == "A small study"
    assert set(resource) == {
        *("resourceType", "id", "meta", "identifier", "extension", "title", "status")
    }


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("NOT_YET_RECRUITING", "approved"),
        ("RECRUITING", "active"),
        ("ACTIVE_NOT_RECRUITING", "closed-to-accrual"),
        ("SUSPENDED", "temporarily-closed-to-accrual"),
        ("TERMINATED", "administratively-completed"),
        ("COMPLETED", "completed"),
        ("WITHDRAWN", "withdrawn"),
    ],
)
def test_status(word: str, status: str) -> None:
    assert mapped(status=word)["status"] == status


@pytest.mark.parametrize("word", SCHEMA["$defs"]["Status"]["enum"])
def test_every_status_keeps_its_word(word: str) -> None:
    resource = mapped(status=word)
    assert "status" in resource
    (state,) = extensions(resource, "progressStatus")
    assert codes(state["state"])[-1] == word


def test_present_status_leads_and_the_posted_one_stays() -> None:
    resource = mapped(status="NOT_YET_RECRUITING", present_status="RECRUITING")
    assert resource["status"] == "active"
    present, posted = extensions(resource, "progressStatus")
    assert codes(present["state"]) == ["recruiting", "RECRUITING"]
    assert codes(posted["state"]) == ["not-yet-recruiting", "NOT_YET_RECRUITING"]
    assert posted["state"]["text"] == "Not yet recruiting (as registered)"


def test_unknown_status_falls_back_to_the_last_known_one() -> None:
    resource = mapped(status="UNKNOWN", last_known_status="COMPLETED")
    assert resource["status"] == "completed"
    assert [codes(s["state"])[-1] for s in extensions(resource, "progressStatus")] == [
        "UNKNOWN",
        "COMPLETED",
    ]


@pytest.mark.parametrize(("word", "reason"), [("UNKNOWN", "unknown"), ("WITHHELD", "masked")])
def test_status_without_code_says_why(word: str, reason: str) -> None:
    (extension,) = mapped(status=word)["_status"]["extension"]
    assert extension["valueCode"] == reason


def test_phases_are_one_concept_with_every_raw_word() -> None:
    assert codes(mapped(phases=("PHASE1", "PHASE2"))["phase"]) == [
        "phase-1-phase-2",
        "PHASE1",
        "PHASE2",
    ]
    assert codes(mapped(phases=("PHASE1", "PHASE3"))["phase"]) == ["PHASE1", "PHASE3"]
    assert mapped(phases=("NA",))["phase"]["coding"][0]["code"] == "n-a"


@pytest.mark.parametrize("date", ["2023", "2023-07", "2023-07-02"])
def test_dates_are_copied_not_padded(date: str) -> None:
    dates = (
        StudyDate(activity="start", date=date, kind="ACTUAL"),
        StudyDate(activity="completion", date="2028-12"),
    )
    resource = mapped(dates=dates)
    assert resource["period"] == {"start": date, "end": "2028-12"}
    _, start, end = extensions(resource, "progressStatus")
    assert start["actual"] is True
    assert start["period"] == {"start": date}
    assert "actual" not in end


def test_registration_dates() -> None:
    dates = (
        StudyDate(activity="studyFirstPostDateStruct", date="2023-05-17", kind="ESTIMATED"),
        StudyDate(activity="primaryCompletionDateStruct", date="2028-11-30"),
    )
    posted, completed = extensions(mapped(dates=dates), "studyRegistration")
    assert codes(posted["activity"]) == ["registration-posting"]
    assert posted["actual"] is False
    assert posted["period"] == {"start": "2023-05-17"}
    assert completed["period"] == {"end": "2028-11-30"}


@pytest.mark.parametrize(
    ("kind", "part"),
    [("ESTIMATED", "targetNumber"), ("ACTUAL", "actualNumber"), (None, "targetNumber")],
)
def test_enrollment(kind: str | None, part: str) -> None:
    resource = mapped(enrollment=300, enrollment_kind=kind)
    assert extensions(resource, "recruitment") == [{part: 300}]


def test_nobody_enrolled_is_a_number() -> None:
    resource = mapped(enrollment=0, enrollment_kind="ACTUAL")
    assert extensions(resource, "recruitment") == [{"actualNumber": 0}]


def test_false_is_information() -> None:
    terms = (
        RegistryTerm(field="isFdaRegulatedDrug", value="true"),
        RegistryTerm(field="isFdaRegulatedDevice", value="false"),
    )
    drug, device = extensions(mapped(terms=terms), "classifier")
    assert codes(drug) == ["fda-regulated-drug", "true"]
    assert device["coding"] == [{"system": f"{RAW}isFdaRegulatedDevice", "code": "false"}]
    assert device["text"].endswith(": No")


def test_parties() -> None:
    official = Party(
        role="official",
        name="A Person, MD",
        organization="A Hospital",
        person=True,
        raw_role=RegistryTerm(field="officialRole", value="PRINCIPAL_INVESTIGATOR"),
    )
    sponsor = Party(role="lead-sponsor", name="A Hospital", party_class="INDUSTRY")
    resource = mapped(parties=(sponsor, official))
    assert resource["sponsor"]["display"] == "A Hospital"
    assert resource["principalInvestigator"]["reference"].startswith("PractitionerRole/")
    first, second = extensions(resource, "associatedParty")
    assert first["party"] == resource["sponsor"]
    assert codes(first["classifier"]) == ["industry", "INDUSTRY"]
    assert codes(second["role"]) == ["primary-investigator", "PRINCIPAL_INVESTIGATOR"]


def test_a_chair_is_no_principal_investigator() -> None:
    chair = RegistryTerm(field="officialRole", value="STUDY_CHAIR")
    parties = (Party(role="official", name="A Person", person=True, raw_role=chair),)
    assert "principalInvestigator" not in mapped(parties=parties)


def test_identifiers_and_documents() -> None:
    numbers = (
        StudyIdentifier(value="NCT05862675"),
        StudyIdentifier(value="R01", use="secondary", kind="NIH", link="https://nih.gov/R01"),
    )
    file = RelatedDocument(kind="documentation", file="Prot.pdf", url="https://a/Prot.pdf", size=9)
    resource = mapped(identifiers=numbers, documents=(file,))
    own, official, secondary = resource["identifier"]
    assert own["value"] == resource["id"]
    assert official == {
        "use": "official",
        "system": "http://clinicaltrials.gov",
        "value": "NCT05862675",
    }
    assert codes(secondary["type"]) == ["NIH"]
    page, document = resource["relatedArtifact"]
    assert page["url"] == "https://nih.gov/R01"
    assert document["document"] == {"url": "https://a/Prot.pdf", "size": 9, "title": "Prot.pdf"}


def test_a_link_that_is_no_uri_stays_text() -> None:
    page = RelatedDocument(kind="documentation", display="Home", url="see https://a and b")
    (artifact,) = mapped(documents=(page,))["relatedArtifact"]
    assert artifact == {"type": "documentation", "display": "Home: see https://a and b"}


def test_the_reference_study() -> None:
    study = read_registration(REGISTRY).study
    resource = research_study(study, (), organization_keys(study), CONTEXT)
    assert [codes(each)[0] for each in resource["category"]] == [
        "SEVCO:01002",
        "SEVCO:01013",
        "PROSPECTIVE",
    ]
    assert [arm["name"] for arm in resource["arm"]] == [
        "experimental group",
        "control group1",
        "control group2",
    ]
    assert resource["focus"] == [{"text": "Other: exosomes"}]
    outcomes = extensions(resource, "outcomeMeasure")
    assert [codes(each["type"])[0] for each in outcomes] == ["primary", "secondary", "exploratory"]
    assert outcomes[0]["description"].endswith("Time frame: an average of 1week")


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789", min_size=1))
def test_a_word_of_tomorrow_keeps_its_raw_coding(word: str) -> None:
    for enum in ("Status", "Phase", "NoSuchEnum"):
        concept = registry_concept(CONTEXT, enum, word)
        assert concept["coding"][-1] == {"system": f"{RAW}{enum}", "code": word}
        assert concept["text"]


@pytest.mark.parametrize("table", sorted(n for n in CONTEXT.tables if n.startswith("ctgov-")))
def test_tables_know_every_word_of_their_enum(table: str) -> None:
    enum = SCHEMA["$defs"].get(table.removeprefix("ctgov-"))
    if enum:
        assert set(CONTEXT.tables[table].terms) == set(enum["enum"])
    else:
        assert table == "ctgov-field" or set(CONTEXT.tables[table].terms) == {"true", "false"}


def in_r5(**changes: Any) -> dict[str, Any]:
    study = replace(SMALL, **changes)
    return research_study(study, (), organization_keys(study), context(release="R5"))


def test_r5_has_elements_for_what_r4_extends() -> None:
    resource = in_r5(
        official_title="A small study of much", summary="Short.", enrollment=300, phases=("PHASE2",)
    )
    assert resource["label"][0]["value"] == "A small study of much"
    assert resource["descriptionSummary"] == "Short."
    assert resource["recruitment"] == {"targetNumber": 300}
    assert resource["phase"]["coding"][0]["system"] == "http://hl7.org/fhir/research-study-phase"
    assert "extension" not in resource


def test_r5_status_is_that_of_the_record() -> None:
    resource = in_r5(status="TERMINATED", why_stopped="No money")
    assert resource["status"] == "active"
    assert codes(resource["progressStatus"][0]["state"])[0] == "terminated"
    assert resource["whyStopped"] == {"text": "No money"}


def test_r5_parties_stand_with_their_roles() -> None:
    sponsor = Party(role="lead-sponsor", name="First University", party_class="OTHER")
    (party,) = in_r5(parties=(sponsor,))["associatedParty"]
    assert party["name"] == "First University"
    assert codes(party["role"])[0] == "lead-sponsor"
    assert party["party"]["reference"].startswith("Organization/")
    assert "sponsor" not in in_r5(parties=(sponsor,))


def test_r5_arms_are_comparison_groups_that_subjects_can_name() -> None:
    study = read_registration(REGISTRY).study
    to = context(release="R5")
    groups = research_study(study, (), organization_keys(study), to)["comparisonGroup"]
    assert [group["name"] for group in groups] == [arm.name for arm in study.arms]
    assert groups[0]["linkId"] == arm_link(to, study.arms[0].name)


def test_r5_files_have_their_size_as_text() -> None:
    file = RelatedDocument(
        kind="documentation", file="Protocol.pdf", url="https://hospital.example/p", size=1234
    )
    (artifact,) = in_r5(documents=(file,))["relatedArtifact"]
    assert artifact["document"]["size"] == "1234"
    assert "url" not in artifact
