"""Resources in the shape of other people's guides meet our profiles of that shape."""

from __future__ import annotations

import json
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
from mappings.flavours import profiles_of
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
    if flavour == "ae-backport":  # it wants both, see the test of what it wants
        entity = replace(entity, serious=bool(entity.criteria), outcome=entity.outcome or "ongoing")
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


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"criteria": ()}, "study-ae-2"),
        ({"serious": False}, "study-ae-2"),
        ({"serious": None, "criteria": ()}, "minimum"),
        ({"outcome": None}, "minimum"),
    ],
)
def test_the_backport_wants_a_seriousness_that_agrees_with_its_criteria_and_an_outcome(
    change: dict[str, Any], constraint: str, ours: bool
) -> None:
    to = default_context(flavours=["ae-backport"])
    if not ours:  # as with the guide's package, which gives the extensions its own URLs
        theirs = [*to.profiles["AdverseEvent"], f"{BACKPORT}AdverseEvent-clinical-research"]
        to = replace(to, profiles={"AdverseEvent": theirs})
    mine = profile_url("ae-backport-adverse-event")
    (resource,) = map_entity(replace(EVENT, **change), to)
    (sound,) = map_entity(EVENT, to)
    resource["meta"]["profile"] = sound["meta"]["profile"] = [mine]
    assert "study-ae-2" not in {i.constraint for i in VALIDATORS["R4"].validate(sound)}
    found = VALIDATORS["R4"].validate(resource)
    said = (
        {i.constraint for i in found} if constraint == "study-ae-2" else {i.message for i in found}
    )
    assert any(constraint in (text or "") for text in said), said


def test_the_backport_holds_every_suspect() -> None:
    others = (e.Suspect(treatment=("t2",), causality="unlikely"), e.Suspect(treatment=("t3",)))
    to = default_context(flavours=["ae-backport"])
    (resource,) = map_entity(replace(EVENT, suspects=others), to)
    assert errors(resource, "R4") == []
    found = [each for each in resource["extension"] if each["url"].endswith("suspect-entity")]
    assert len(found) == 3


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


VARIANT = e.Finding(
    gene="CFTR",
    gene_id="HGNC:1884",
    coding_change="NM_000492.4:c.1521_1523del",
    protein_change="NP_000483.3:p.Phe508del",
    frequency=Decimal("0.48"),
    depth=Decimal(212),
    source_class="germline",
)


def components(resource: dict[str, Any]) -> dict[str, Any]:
    """The value of each component by its code."""
    return {
        part["code"]["coding"][0]["code"]: next(v for k, v in part.items() if k.startswith("value"))
        for part in resource["component"]
    }


@pytest.mark.parametrize(
    ("release", "flavours"), [("R4", ["genomics-reporting"]), ("R4", []), ("R4B", []), ("R5", [])]
)
def test_a_variant_is_told_by_its_gene_and_its_changes(release: str, flavours: list[str]) -> None:
    to = default_context(release=release, flavours=flavours)
    report, found = map_entity(replace(GENES, findings=(VARIANT,)), to)
    assert [errors(each, release) for each in (report, found)] == [[], []]
    held = components(found)
    gene = held["48018-6"] if flavours else found["valueCodeableConcept"]
    hgnc = {"system": "http://www.genenames.org", "code": "HGNC:1884", "display": "CFTR"}
    assert (gene["coding"], gene["text"]) == ([hgnc], "CFTR")
    assert held["48004-6"]["coding"][0]["code"] == "NM_000492.4:c.1521_1523del"
    assert held["48005-3"]["coding"][0]["code"] == "NP_000483.3:p.Phe508del"
    assert held["81258-6"]["value"] == Decimal("0.48")
    assert (held["82121-5"]["value"], held["82121-5"]["code"]) == (212, "{reads}")
    assert held["48002-0"]["coding"][0]["code"] == "LA6683-2"


def test_two_variants_of_a_gene_keep_their_ids_in_any_order() -> None:
    other = replace(VARIANT, coding_change="NM_000492.4:c.1652G>A")
    to = default_context()
    there = map_entity(replace(GENES, findings=(VARIANT, other)), to)
    back = map_entity(replace(GENES, findings=(other, VARIANT)), to)
    assert {json.dumps(r, default=str) for r in there[1:]} == {
        json.dumps(r, default=str) for r in back[1:]
    }


def test_a_finding_names_what_was_found() -> None:
    with pytest.raises(ValueError, match="neither a target nor a gene"):
        map_entity(replace(GENES, findings=(e.Finding(),)), default_context())


def test_a_study_may_have_genetic_and_microbiology_reports() -> None:
    guide = "http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/"
    both = ["genomics-reporting", "microbiology"]
    supplied = {f"{guide}genomic-report", f"{guide}variant"}
    to = default_context(flavours=both)
    theirs = replace(to, profiles=profiles_of(load_flavours(), both, supplied))
    for kind, ours in (("gene", "genomics-report"), ("pathogen", "microbiology-report")):
        result = replace(GENES, kind=kind)
        made = map_entity(result, to)
        assert [errors(each, "R4") for each in made] == [[]] * len(made)
        assert made[0]["meta"]["profile"] == [profile_url(ours)]
        named = [url for each in map_entity(result, theirs) for url in each["meta"]["profile"]]
        assert any(guide in url for url in named) == (kind == "gene")


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
