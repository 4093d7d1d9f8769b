"""The study-level resources as a whole: valid, unique, and their references resolve."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from registry_records import REGISTRY, SAMPLES, Maker, context

from adapter.sources.ctgov import read_registration
from mappings import Context
from mappings.entities import Cohort, Form, Product, Question, Site, Study
from mappings.registry_bundle import registration_bundle
from mappings.study_record import map_cohort, map_study

HOSPITAL = Site(
    key=("cqmu",),
    name="Children's Hospital of Chongqing Medical University",
    city="Chongqing",
    country="CN",
    investigators=("Zhou Mi", "Somebody Else"),
)
FORM = Form(
    key=("events",),
    title="Adverse events",
    questions=(
        Question(link="any", text="Any event?", kind="boolean", required=True),
        Question(link="how", text="How bad?", kind="choice", options=(("1", "mild"),)),
    ),
)
EXOSOME = Product(key=("msc-exosome", "B1"), term="msc-exosome", batch="B1")


def study(**changes: Any) -> Study:
    registered = read_registration(REGISTRY).study
    return replace(registered, sites=(HOSPITAL,), present_status="RECRUITING", **changes)


def resources(of: Study, to: Context | None = None) -> list[dict[str, Any]]:
    return [r for _, r in map_study(of, [EXOSOME], [FORM], to or context())]


def by_type(kind: str, of: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in of if each["resourceType"] == kind]


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    if isinstance(value, dict):
        own = [value["reference"]] if "reference" in value else []
        return own + [found for item in value.values() for found in references(item)]
    return []


def assert_sound(found: list[dict[str, Any]]) -> None:
    names = [f"{each['resourceType']}/{each['id']}" for each in found]
    assert len(names) == len(set(names))
    assert not {reference for each in found for reference in references(each)} - set(names)
    for each in found:
        kind = each["resourceType"]
        model = getattr(importlib.import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
        model.model_validate(json.loads(json.dumps(each, default=float)))


def test_the_reference_study_is_sound() -> None:
    assert_sound(resources(study()))


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.stem)
def test_real_records_are_sound(file: Path) -> None:
    registered = read_registration(file).study
    to = context(registered.key[0])
    assert_sound([resource for _, resource in map_study(registered, (), (), to)])


@pytest.mark.parametrize("choice", [0, 1])
def test_a_record_with_every_key_is_sound(choice: int, tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text(json.dumps(Maker(choice).record(), default=float), encoding="utf-8")
    assert_sound(resources(read_registration(file).study))


def test_the_same_study_gives_the_same_resources() -> None:
    assert resources(study()) == resources(study())


def test_sponsor_and_site_of_one_name_are_one_organization() -> None:
    (organization,) = by_type("Organization", resources(study()))
    assert organization["id"] == context().id("Organization", HOSPITAL.key)
    assert organization["address"] == [{"city": "Chongqing", "country": "CN"}]
    assert organization["type"][0]["coding"][0]["code"] == "OTHER"


def test_sponsor_elsewhere_is_an_organization_of_its_own() -> None:
    away = replace(HOSPITAL, name="Second Hospital")
    found = by_type("Organization", resources(replace(study(), sites=(away,))))
    assert [each["name"] for each in found] == ["Second Hospital", HOSPITAL.name]


def test_an_investigator_of_a_site_is_the_registered_official() -> None:
    found = resources(study())
    names = [each["name"][0]["text"] for each in by_type("Practitioner", found)]
    assert names == ["Bo liu", "Zhou Mi, Master", "Ding Fengxia, Doctor", "Somebody Else"]
    at_site = [each for each in by_type("PractitionerRole", found) if "location" in each]
    assert len(at_site) == 2
    assert at_site[0]["code"][0]["coding"][-1]["code"] == "PRINCIPAL_INVESTIGATOR"
    assert at_site[1]["code"] == [{"text": "Investigator at a site"}]


def test_a_site_with_a_status_has_a_study_of_its_own() -> None:
    open_site = replace(HOSPITAL, status="SUSPENDED")
    main, part = by_type("ResearchStudy", resources(replace(study(), sites=(open_site,))))
    assert part["partOf"] == [{"reference": f"ResearchStudy/{main['id']}"}]
    assert part["status"] == "temporarily-closed-to-accrual"
    profiles = [each["meta"]["profile"][0].rpartition("/")[2] for each in (main, part)]
    assert profiles == ["research-study", "site-study"]


def test_a_position_keeps_its_digits() -> None:
    placed = replace(HOSPITAL, latitude=Decimal("29.5630"), longitude=Decimal("106.5516"))
    (location,) = by_type("Location", resources(replace(study(), sites=(placed,))))
    assert str(location["position"]["latitude"]) == "29.5630"


def test_a_form_is_a_questionnaire_with_its_options() -> None:
    (form,) = by_type("Questionnaire", resources(study()))
    assert form["url"].endswith(form["id"])
    assert form["item"][0] == {
        "linkId": "any",
        "text": "Any event?",
        "type": "boolean",
        "required": True,
    }
    system = f"{context().identifier_base}/forms/events/how"
    coding = {"system": system, "code": "1", "display": "mild"}
    assert form["item"][1]["answerOption"] == [{"valueCoding": coding}]


def test_a_cohort_is_a_group_of_patients() -> None:
    to = context()
    cohort = Cohort(arm="control group2", members=(("01",), ("02",)))
    (group,) = map_cohort([cohort], to)
    assert group["actual"] is True
    assert group["quantity"] == 2
    assert group["member"][0]["entity"] == to.reference("Patient", ("01",))
    assert map_cohort([replace(cohort, members=())], to)[0]["quantity"] == 0


def test_bundle_puts_every_resource_where_its_references_point() -> None:
    found = resources(study())
    bundle = registration_bundle(found)
    assert bundle["type"] == "transaction"
    for entry, resource in zip(bundle["entry"], found, strict=True):
        path = f"{resource['resourceType']}/{resource['id']}"
        assert entry["request"] == {"method": "PUT", "url": path}
        assert entry["fullUrl"].endswith(f"/{path}")
