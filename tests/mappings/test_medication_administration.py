from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from child_record import PRODUCT, STAY, TREATMENT

from mappings import Context, map_entity
from mappings.medication_administration import medication_administration


def test_a_nebulised_dose_of_a_batch(to: Context) -> None:
    resource = medication_administration(TREATMENT, to)
    (product,) = map_entity(PRODUCT, to)
    assert resource["medicationReference"] == {"reference": f"Medication/{product['id']}"}
    assert resource["context"] == to.reference("Encounter", STAY)
    assert resource["effectivePeriod"]["end"] == "2024-03-03T09:30:00+08:00"
    dosage = resource["dosage"]
    assert dosage["route"]["coding"][0]["code"] == "447694001"
    assert (dosage["dose"]["value"], dosage["dose"]["code"]) == (Decimal("1.0"), "10*9{particles}")
    assert dosage["rateQuantity"]["code"] == "mL/h"


def test_the_product(to: Context) -> None:
    (product,) = map_entity(PRODUCT, to)
    assert product["batch"] == {"lotNumber": "B-7"}
    assert product["form"]["coding"][0]["code"] == "385199008"
    assert product["code"]["text"].startswith("Mesenchymal stem cell-derived exosomes")
    assert "security" not in product["meta"]  # not about a child


def test_an_ordinary_drug_is_coded_in_atc(to: Context) -> None:
    drug = replace(TREATMENT, drug="ceftriaxone", batch=None)
    resource = medication_administration(drug, to)
    assert resource["medicationCodeableConcept"]["coding"][0] == {
        "system": "http://www.whocc.no/atc",
        "code": "J01DD04",
        "display": "ceftriaxone",
    }


def test_the_batch_of_an_ordinary_drug_is_kept(to: Context) -> None:
    resource = medication_administration(replace(TREATMENT, drug="ceftriaxone"), to)
    (drug,) = resource["contained"]
    assert resource["medicationReference"] == {"reference": f"#{drug['id']}"}
    assert drug["batch"] == {"lotNumber": "B-7"}


def test_a_route_alone_says_that_the_dose_is_unknown(to: Context) -> None:
    bare = replace(TREATMENT, dose=None, rate=None)
    dose = medication_administration(bare, to)["dosage"]["dose"]
    assert dose["extension"][0]["valueCode"] == "unknown"
    assert "dosage" not in medication_administration(replace(bare, route=None), to)


def test_a_single_moment(to: Context) -> None:
    resource = medication_administration(replace(TREATMENT, end=None, status="stopped"), to)
    assert resource["effectiveDateTime"] == "2024-03-03T09:00:00+08:00"
    assert resource["status"] == "stopped"


def test_a_dose_in_r5(r5: Context) -> None:
    resource = medication_administration(TREATMENT, r5)
    (product,) = map_entity(PRODUCT, r5)
    reference = {"reference": f"Medication/{product['id']}"}
    assert resource["medication"] == {"reference": reference}
    assert resource["encounter"] == r5.reference("Encounter", STAY)
    assert resource["occurencePeriod"]["end"] == "2024-03-03T09:30:00+08:00"
    assert product["doseForm"]["coding"][0]["code"] == "385199008"


def test_an_ordinary_drug_in_r5(r5: Context) -> None:
    drug = replace(TREATMENT, drug="ceftriaxone", batch=None, end=None)
    resource = medication_administration(drug, r5)
    assert resource["medication"]["concept"]["coding"][0]["code"] == "J01DD04"
    assert resource["occurenceDateTime"] == "2024-03-03T09:00:00+08:00"


def test_a_child_that_vomits_had_less_than_the_full_dose(to: Context, r5: Context) -> None:
    now = medication_administration(TREATMENT, r5)
    assert now["isSubPotent"] is True
    assert now["subPotentReason"][0]["coding"][0]["code"] == "vomited"
    _, reason = medication_administration(TREATMENT, to)["extension"]
    assert reason["url"].endswith("MedicationAdministration.subPotentReason")
    assert reason["valueCodeableConcept"] == now["subPotentReason"][0]
    full = medication_administration(replace(TREATMENT, reduced=None), r5)
    assert "isSubPotent" not in full


def test_the_strength_of_a_product(to: Context, r5: Context) -> None:
    (before,) = map_entity(PRODUCT, to)
    (now,) = map_entity(PRODUCT, r5)
    strength = now["ingredient"][0]["strengthRatio"]
    assert strength["numerator"]["code"] == "10*9{particles}"
    assert strength["denominator"]["code"] == "mL"
    assert before["ingredient"][0]["strength"] == strength
    assert before["ingredient"][0]["itemCodeableConcept"] == now["ingredient"][0]["item"]["concept"]
    assert "ingredient" not in map_entity(replace(PRODUCT, strength=None), r5)[0]


def test_a_course_in_progress_is_open_at_its_end(to: Context) -> None:
    resource = medication_administration(replace(TREATMENT, end=None, status="in-progress"), to)
    assert resource["effectivePeriod"] == {"start": TREATMENT.start}
    dose = medication_administration(replace(TREATMENT, end=None), to)
    assert (dose["status"], dose["effectiveDateTime"]) == ("completed", TREATMENT.start)
