from __future__ import annotations

from dataclasses import replace

import pytest
from child_record import (
    CHILD,
    CONSENT,
    DIAGNOSIS,
    DISPOSITION,
    MEASUREMENT,
    RECORD,
    RELEASES,
    SITE,
    SUBJECT,
    VISIT,
    default_context,
    measured,
)

from mappings import Context, Resource, map_subject
from mappings.entities import SubjectEntity


def resources(entities: tuple[SubjectEntity, ...], to: Context) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for _, resource in map_subject(entities, to):
        found.setdefault(resource["resourceType"], []).append(resource)
    return found


@pytest.mark.parametrize("release", RELEASES)
def test_every_reference_leads_to_a_resource_of_the_record_or_of_the_study(release: str) -> None:
    to = default_context(release=release)
    made = [resource for _, resource in map_subject(RECORD, to)]
    known = {f"{r['resourceType']}/{r['id']}" for r in made}
    dangling = {ref for r in made for ref in references(r)} - known
    kinds = {ref.split("/")[0] for ref in dangling}
    assert kinds == {"Organization", "Location", "ResearchStudy", "Medication"}


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["reference"]} if isinstance(value.get("reference"), str) else set()
        found = own.union(*map(references, value.values()))
        return {ref for ref in found if not ref.startswith("#")}
    if isinstance(value, list):
        return set().union(*map(references, value))
    return set()


def test_every_entity_makes_something_and_every_resource_names_its_entity(to: Context) -> None:
    made = map_subject(RECORD, to)
    assert {id(entity) for entity, _ in made} == {id(entity) for entity in RECORD}
    ids = [(r["resourceType"], r["id"]) for _, r in made]
    assert len(ids) == len(set(ids))


def test_the_encounter_knows_its_diagnoses(to: Context) -> None:
    (encounter,) = resources((SUBJECT, VISIT, DIAGNOSIS), to)["Encounter"]
    assert encounter["diagnosis"][0]["condition"] == to.reference("Condition", DIAGNOSIS.key)


def test_observations_are_performed_by_the_visits_hospital_or_the_subjects(to: Context) -> None:
    at_home = measured("spo2", "95", "%")
    (first, second) = resources((SUBJECT, VISIT, MEASUREMENT, at_home), to)["Observation"]
    assert first["performer"] == [to.reference("Organization", ("branch",))]
    assert second["performer"] == [to.reference("Organization", SITE)]


def test_the_participation_rests_on_the_latest_consent(to: Context) -> None:
    renewed = replace(CONSENT, key=(*CHILD, "again"), date="2024-04-01")
    (subject,) = resources((SUBJECT, renewed, CONSENT), to)["ResearchSubject"]
    assert subject["consent"] == to.reference("Consent", renewed.key)
    (alone,) = resources((SUBJECT,), to)["ResearchSubject"]
    assert "consent" not in alone


def test_a_disposition_counts_inside_the_subject_and_beside_it(to: Context) -> None:
    inside = map_subject((replace(SUBJECT, disposition=DISPOSITION),), to)
    beside = map_subject((SUBJECT, DISPOSITION), to)
    both = map_subject((replace(SUBJECT, disposition=DISPOSITION), DISPOSITION), to)
    assert [r for _, r in inside] == [r for _, r in beside] == [r for _, r in both]
    assert both[-1][0] is DISPOSITION


def test_two_different_resources_with_one_id_are_refused(to: Context) -> None:
    other = replace(MEASUREMENT, value=MEASUREMENT.value and MEASUREMENT.value + 1)
    with pytest.raises(ValueError, match="different Observation/"):
        map_subject((MEASUREMENT, other), to)
    assert len(map_subject((MEASUREMENT, MEASUREMENT), to)) == 1


def test_the_order_of_entities_changes_nothing_but_the_order(to: Context) -> None:
    there = {r["id"]: r for _, r in map_subject(RECORD, to)}
    back = {r["id"]: r for _, r in map_subject(RECORD[::-1], to)}
    assert there == back
