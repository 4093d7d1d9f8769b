from __future__ import annotations

from dataclasses import replace

from child_record import CHILD, DISPOSITION, SUBJECT

from mappings import Context, map_entity
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
