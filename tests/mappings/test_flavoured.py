"""Resources in the shape of other people's guides meet our profiles of that shape."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from child_record import CHILD, RECORD, default_context
from hypothesis import given, settings
from hypothesis import strategies as st
from study_strategies import any_of

from adapter.validation import Validator
from mappings import entities as e
from mappings import map_entity, map_subject
from mappings.context import load_flavours
from mappings.locations import profile_url

BACKPORT = "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition/"
VALIDATORS = {release: Validator(release) for release in ("R4", "R4B", "R5")}
WHOLE = [("R4", "mii-studie"), ("R4B", "mii-studie"), ("R4", "miabis"), ("R5", "miabis")]


def errors(resource: dict[str, Any], release: str) -> list[str]:
    issues = VALIDATORS[release].validate(resource)
    return [f"{i.path}: {i.message}" for i in issues if i.severity in ("error", "fatal")]


@pytest.mark.parametrize(("release", "flavour"), WHOLE)
def test_a_childs_record_is_valid_in_a_flavour(release: str, flavour: str) -> None:
    to = default_context(release=release, flavours=[flavour])
    for _, resource in map_subject(RECORD, to):
        assert errors(resource, release) == []


EVENT = e.Event(
    key=("ae1",),
    subject=CHILD,
    term="fever",
    onset="2024-03-01",
    ended="2024-03-04",
    grade="2",
    severity="moderate",
    serious=True,
    criteria=("hospitalization",),
    causality="possible",
    outcome="resolved",
    expected=False,
)


def test_the_backport_has_r5s_elements_as_extensions() -> None:
    (resource,) = map_entity(EVENT, default_context(flavours=["ae-backport"]))
    assert errors(resource, "R4") == []
    assert resource["meta"]["profile"] == [profile_url("ae-backport-adverse-event")]
    held = {each["url"].rpartition("/")[2]: each for each in resource["extension"]}
    assert held["ae-resolve-date"]["valueDateTime"] == "2024-03-04"
    assert held["ae-expected-in-research-study"]["valueBoolean"] is False
    assert [each["code"] for each in resource["outcome"]["coding"]] == ["resolved", "C49498"]
    assert not {"suspectEntity", "resultingCondition", "contained"} & set(resource)


def test_the_guides_own_extensions_come_with_its_package() -> None:
    theirs = f"{BACKPORT}AdverseEvent-clinical-research"
    to = default_context(flavours=["ae-backport"])
    to = replace(to, profiles={"AdverseEvent": [theirs]})
    (resource,) = map_entity(EVENT, to)
    assert resource["modifierExtension"] == [{"url": f"{BACKPORT}status", "valueCode": "completed"}]


TABLE = load_flavours()
# The entities behind the resource types that flavours reshape.
BEHIND: dict[str, tuple[type, ...]] = {
    "AdverseEvent": (e.Event,),
    "DiagnosticReport": (e.SequencingResult,),
    "Observation": (e.Measurement, e.SequencingResult),
    "ResearchStudy": (e.Study,),
    "ResearchSubject": (e.Subject,),
    "Specimen": (e.Sample,),
}
ALLOWED = sorted(
    {
        (release, row.name, kind)
        for row in TABLE
        for release in row.releases
        for kind in BEHIND[row.resource]
    },
    key=str,
)


@pytest.mark.parametrize(
    ("release", "flavour", "kind"), ALLOWED, ids=lambda each: getattr(each, "__name__", each)
)
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_any_entity_is_valid_in_a_flavour(
    release: str, flavour: str, kind: type, data: st.DataObject
) -> None:
    entity = data.draw(any_of(kind))
    to = FLAVOURED[release, flavour]
    made = map_entity(entity, to)
    for resource in made:
        assert errors(resource, release) == []
    assert made == map_entity(entity, to)


FLAVOURED = {
    (release, flavour): default_context(release=release, flavours=[flavour])
    for release, flavour, _ in ALLOWED
}


@pytest.mark.parametrize(("release", "flavour"), sorted(FLAVOURED))
def test_a_flavour_leaves_all_other_resources_as_they_are(release: str, flavour: str) -> None:
    reshaped = {row.resource for row in TABLE if row.name == flavour}
    plain, other = (
        [r for _, r in map_subject(RECORD, to) if r["resourceType"] not in reshaped]
        for to in (default_context(release=release), FLAVOURED[release, flavour])
    )
    assert plain == other


GENES = e.SequencingResult(
    key=("g1",),
    subject=CHILD,
    date="2024-03-04",
    kind="gene",
    findings=(
        e.Finding(target="rsv-a", reads=Decimal(12)),
        e.Finding(target="rsv-b", detected=False),
    ),
)


def test_a_variant_is_present_or_absent_in_a_gene() -> None:
    report, present, absent = map_entity(GENES, default_context(flavours=["genomics-reporting"]))
    assert [errors(each, "R4") for each in (report, present, absent)] == [[], [], []]
    assert report["meta"]["profile"] == [profile_url("genomics-report")]
    answers = [each["valueCodeableConcept"]["coding"][0]["code"] for each in (present, absent)]
    assert answers == ["LA9633-4", "LA9634-2"]
    assert absent["component"][0]["code"]["coding"][0]["code"] == "48018-6"


def test_a_sequencing_of_pathogens_is_microbiology() -> None:
    pathogens = replace(GENES, kind="pathogen")
    report, *_ = map_entity(pathogens, default_context(flavours=["microbiology"]))
    assert errors(report, "R4") == []
    assert report["meta"]["profile"] == [profile_url("microbiology-report")]


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_the_data_file_of_a_sequencing_is_named_by_its_report(release: str) -> None:
    kept = replace(GENES, file="run-7.csv", file_type="text/csv")
    to = default_context(release=release)
    report, *_, file = map_entity(kept, to)
    assert [errors(each, release) for each in (file, report)] == [[], []]
    assert file["content"][0]["attachment"] == {"title": "run-7.csv", "contentType": "text/csv"}
    assert {"reference": f"DocumentReference/{file['id']}"} in [
        each["valueReference"] for each in report["extension"]
    ]
