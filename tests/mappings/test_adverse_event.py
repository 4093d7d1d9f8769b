from __future__ import annotations

from dataclasses import replace

from child_record import CHILD, EVENT, TREATMENT

from mappings import Context
from mappings.adverse_event import adverse_event
from mappings.entities import Event


def test_a_serious_fever(to: Context) -> None:
    resource = adverse_event(EVENT, to)
    assert resource["actuality"] == "actual"
    assert resource["event"]["coding"][0]["code"] == "386661006"
    assert (resource["date"], resource["recordedDate"]) == ("2024-03-04", "2024-03-05")
    serious = [coding["code"] for coding in resource["seriousness"]["coding"]]
    assert serious == ["serious", "C83052", "C84266"]
    assert resource["severity"]["coding"][0]["code"] == "moderate"
    assert resource["study"] == [to.reference("ResearchStudy", to.study)]
    assert isinstance(resource["identifier"], dict)  # 0..1 in R4


def test_the_outcome_has_the_one_coding_r4_requires(to: Context) -> None:
    assert adverse_event(EVENT, to)["outcome"]["coding"] == [
        {
            "system": "http://terminology.hl7.org/CodeSystem/adverse-event-outcome",
            "code": "resolved",
            "display": "Resolved",
        }
    ]


def test_the_suspected_treatment(to: Context) -> None:
    (suspect,) = adverse_event(EVENT, to)["suspectEntity"]
    assert suspect["instance"] == to.reference("MedicationAdministration", TREATMENT.key)
    assert suspect["causality"][0]["assessment"]["coding"][0]["code"] == "possible"


def test_causality_without_a_known_treatment(to: Context) -> None:
    (suspect,) = adverse_event(replace(EVENT, suspect=None), to)["suspectEntity"]
    assert suspect["instance"] == {"display": "Intervention of the study"}


def test_end_and_grade_stand_in_the_resulting_condition(to: Context) -> None:
    resource = adverse_event(EVENT, to)
    (condition,) = resource["contained"]
    assert resource["resultingCondition"] == [{"reference": f"#{condition['id']}"}]
    assert condition["abatementDateTime"] == "2024-03-06"
    assert condition["clinicalStatus"]["coding"][0]["code"] == "resolved"
    assert condition["severity"]["coding"][0]["code"] == "C41339"


def test_whether_it_was_expected(to: Context) -> None:
    (category,) = adverse_event(EVENT, to)["category"]
    assert category["coding"][0]["code"] == "unexpected"
    assert "category" not in adverse_event(replace(EVENT, expected=None), to)


def test_a_mild_event_of_which_little_is_known(to: Context) -> None:
    resource = adverse_event(Event(key=("e",), subject=CHILD, term="rash", onset="2024-03"), to)
    assert resource["seriousness"]["coding"][0]["code"] == "non-serious"
    absent = {"contained", "suspectEntity", "severity", "outcome", "encounter"}
    assert absent.isdisjoint(resource)


def test_a_meddra_term_is_passed_on(to: Context) -> None:
    coded = replace(
        EVENT, term="other", meddra="10016558", meddra_term="Fever", meddra_version="27.1"
    )
    resource = adverse_event(coded, to)
    what = resource["code" if to.r5 else "event"]
    assert what["text"] == "Fever"
    assert what["coding"][-1] == {
        "system": "https://www.meddra.org",
        "version": "27.1",
        "code": "10016558",
        "display": "Fever",
    }
