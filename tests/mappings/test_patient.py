from __future__ import annotations

from dataclasses import replace

from child_record import CHILD, SITE, SUBJECT

from mappings import Context
from mappings.patient import patient


def test_a_child_is_pseudonymous(to: Context) -> None:
    resource = patient(SUBJECT, to)
    assert "name" not in resource
    assert resource["meta"]["security"][0]["code"] == "PSEUDED"
    (identifier,) = resource["identifier"]
    assert identifier["value"] == resource["id"] == to.id("Patient", CHILD)
    assert identifier["type"]["coding"][0]["code"] == "PSEUDED"


def test_of_the_birth_date_stays_the_year(to: Context) -> None:
    resource = patient(SUBJECT, to)
    assert (resource["birthDate"], resource["gender"]) == ("2019", "female")
    assert resource["deceasedDateTime"] == "2024-05-01"
    assert resource["managingOrganization"] == to.reference("Organization", SITE)


def test_what_is_unknown_is_absent(to: Context) -> None:
    bare = patient(replace(SUBJECT, birth_year=None, deceased=None, site=None), to)
    assert bare.keys() == {"resourceType", "id", "meta", "identifier", "gender"}
