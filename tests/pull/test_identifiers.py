"""Children known by an identifier: looked up by POST, and named nowhere."""

from __future__ import annotations

import logging
from urllib.parse import unquote

import pytest

from adapter.errors import EXIT, ConfigurationError
from tests.pull.conftest import Puller
from tests.pull.ehr import Ehr, Reply, bundle, observation, outcome, patient

SYSTEM, MRN = "https://hospital.test/mrn", "MRN-CANARY-0815"


def known_by(id_: str, value: str = MRN, **more: object) -> dict[str, object]:
    return patient(id_, identifier=[{"system": SYSTEM, "value": value}], **more)


@pytest.fixture
def named(puller: Puller) -> Puller:
    puller.cohort = f"system,value\n{SYSTEM},{MRN}\n"
    return puller


def test_p12_an_identifier_stands_in_no_url_log_or_message(
    named: Puller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Ehr(known_by("p1"), observation("o1", "p1"), observation("o2", "p2")) as ehr:
        pulled = named(ehr)
        assert pulled.exit == EXIT.done
        assert named.ids("Observation") == ["o1"]
        searches = [each for each in ehr.asked if MRN in unquote(each.body)]
        assert [each.path for each in searches] == ["/fhir/Patient/_search"]
        assert not any(MRN in unquote(each.path) for each in ehr.asked)
        ehr.on("_search", Reply(400, outcome("invalid")), always=True)
        failed = named(ehr)
    assert failed.exit == EXIT.findings
    assert MRN not in caplog.text + str(pulled.to_json()) + str(failed.to_json())


def test_p12_what_a_search_could_mistake_is_escaped(named: Puller) -> None:
    named.cohort = f'system,value\n{SYSTEM},"A$1,B|2\\"\n'
    with Ehr() as ehr:
        named(ehr)
        assert ehr.asked[0].form["identifier"] == f"{SYSTEM}|A\\$1\\,B\\|2\\\\"


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ([], "no Patient has its identifier"),
        ([known_by("p1"), known_by("p2")], "of several Patients"),
    ],
)
def test_p12_who_is_not_found_stays_open(
    named: Puller, held: list[dict[str, object]], says: str
) -> None:
    with Ehr(*held) as ehr:
        pulled = named(ehr)
        assert pulled.exit == EXIT.findings
        assert says in str(pulled.to_json()["problems"])
        assert {name: each["open"] for name, each in pulled.to_json()["types"].items()} == {
            "Patient": 1,
            "Observation": 1,
        }
        ehr.resources = [known_by("p3"), observation("o3", "p3")]
        assert named(ehr).exit == EXIT.done
        assert named.ids("Observation") == ["o3"]


def test_p10_of_merged_patients_the_standing_one_is_read(named: Puller) -> None:
    gone = known_by("p1", link=[{"type": "replaced-by", "other": {"reference": "Patient/p2"}}])
    with Ehr(known_by("p1"), observation("o1", "p1"), observation("o2", "p2")) as ehr:
        named(ehr)
        assert named.ids("Observation") == ["o1"]
        ehr.resources[0] = gone
        ehr.resources.append(known_by("p2"))
        assert named(ehr).exit == EXIT.done
        assert named.ids("Patient") == ["p2"]
        assert named.ids("Observation") == ["o2"]


def test_the_pages_of_a_look_up_are_not_followed(named: Puller) -> None:
    """A link to them could hold the identifier."""
    with Ehr(known_by("p1")) as ehr:
        link = [{"relation": "next", "url": f"{ehr.url}/Patient?identifier={MRN}"}]
        ehr.on("Patient/_search", Reply(200, bundle(known_by("p1"), link=link)))
        assert named(ehr).exit == EXIT.findings
        assert not ehr.lines("GET")


def test_identifiers_need_their_patients(named: Puller) -> None:
    named.types = ("Observation",)
    with Ehr() as ehr, pytest.raises(ConfigurationError, match="needs Patient"):
        named(ehr)


def test_a_type_that_fhir_does_not_have_is_not_asked_for(named: Puller) -> None:
    named.types = ("Patient", "Observations")
    with Ehr() as ehr, pytest.raises(ConfigurationError, match="no resource type") as caught:
        named(ehr)
    assert caught.value.hint == "did you mean 'Observation'?"
    assert not ehr.lines("GET")


def test_p12_a_bulk_export_knows_the_children_by_look_up(named: Puller) -> None:
    named.mode = "bulk"
    with Ehr(known_by("p1")) as ehr:
        ehr.offer(
            ("Patient", "p", b'{"resourceType":"Patient","id":"p1"}\n'),
            ("Observation", "o", b'{"resourceType":"Observation","id":"o1",'
             b'"subject":{"reference":"Patient/p1"}}\n'),
        )  # fmt: skip
        pulled = named(ehr)
        assert pulled.exit == EXIT.done
        assert named.ids("Observation") == ["o1"]
        assert not any(MRN in unquote(each.path) for each in ehr.asked)
