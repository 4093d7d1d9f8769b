"""What lies after a withdrawal is held back, by a rule of its own and never in silence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from adapter.demo.server import EmbeddedServer
from adapter.errors import ConfigurationError
from adapter.explain import explain
from adapter.mapping import MapResult, map_study
from adapter.privacy import judge_withdrawal
from adapter.service import planning, pushing, verifying
from adapter.study import Study
from mappings.entities import (
    Answers,
    Consent,
    Diagnosis,
    Disposition,
    Event,
    Measurement,
    Sample,
    SequencingResult,
    Subject,
    SubjectEntity,
    Support,
    Treatment,
    Visit,
)

ONE: Any = {"key": ("k",), "subject": ("01",)}
CHILD = Subject(key=("01",), arm="treated", sex="male", enrolled="2024-01-10")
GONE = Consent(**ONE, date="2024-01-09", guardian="mother", withdrawn="2024-05-01")
LEFT = Disposition(**ONE, status="withdrawn", date="2024-05-01")


def made_on(date: str) -> list[Any]:
    """One entity of each kind that has a date."""
    return [
        Visit(**ONE, kind="inpatient", start=date),
        Diagnosis(**ONE, term="pneumonia", onset=date),
        Measurement(**ONE, code="crp", when=date),
        Sample(**ONE, material="serum", collected=date),
        Treatment(**ONE, drug="salbutamol", start=date),
        Support(**ONE, mode="oxygen", start=date),
        Answers(**ONE, form=("f",), date=date),
        SequencingResult(**ONE, date=date),
        Event(**ONE, term="fever", onset=date, serious=True),
    ]


def held(entity: Any, *ends: Any, unread: bool = False, child: Subject = CHILD) -> str | None:
    """The rule under which an entity is held back."""
    judge = judge_withdrawal(child, ends, unread, erase=False)
    refusal = judge(entity) if judge else None
    return refusal[0] if refusal else None


@pytest.mark.parametrize("end", [GONE, LEFT], ids=["consent", "disposition"])
@pytest.mark.parametrize(
    ("date", "rule"),
    [
        ("2024-04-30", None),
        ("2024-05-01", None),
        ("2024-05-01T23:30:00+08:00", None),
        ("2024-05", None),  # cannot be told
        ("2024", None),
        ("2024-05-02", "after-withdrawal"),
        ("2024-06", "after-withdrawal"),
        ("2025", "after-withdrawal"),
    ],
)
def test_the_day_divides_what_goes(end: Any, date: str, rule: str | None) -> None:
    assert {held(each, end) for each in made_on(date)} == {rule}


def test_what_tells_of_the_participation_itself_stays() -> None:
    late = [CHILD, replace(GONE, date="2024-06-01", withdrawn=None), replace(LEFT, date="2024-07")]
    assert [held(each, GONE, LEFT) for each in late] == [None, None, None]
    assert set(get_args(SubjectEntity)) == {type(e) for e in (*late, *made_on("2024"))}


def test_only_a_withdrawal_holds_back() -> None:
    for end in (replace(GONE, withdrawn=None), replace(LEFT, status="off-study")):
        assert judge_withdrawal(CHILD, [end], False, erase=False) is None
        assert judge_withdrawal(CHILD, [end], False, erase=True) is None


def test_who_consents_again_gives_what_comes_then() -> None:
    again = replace(GONE, date="2024-06-01", withdrawn=None)
    dates = ("2024-05-01", "2024-05-20", "2024-06-01")
    found = [held(made_on(date)[0], GONE, again) for date in dates]
    assert found == [None, "after-withdrawal", None]
    assert held(made_on("2024-06-02")[0], GONE, again, LEFT) == "after-withdrawal"


def test_an_unread_withdrawal_counts_as_one_of_any_day() -> None:
    assert {held(each, unread=True) for each in made_on("2023")} == {"after-withdrawal"}
    assert held(CHILD, unread=True) is None


@pytest.mark.parametrize(
    ("child", "ends", "unread"),
    [
        (CHILD, [GONE], False),
        (CHILD, [LEFT], False),
        (CHILD, [], True),
        (replace(CHILD, status="withdrawn"), [], False),
    ],
)
def test_erase_holds_back_everything(child: Subject, ends: list[Any], unread: bool) -> None:
    judge = judge_withdrawal(child, ends, unread, erase=True)
    assert judge is not None
    found = [judge(each) for each in (child, GONE, LEFT, *made_on("2023"))]
    assert {each[0] if each else None for each in found} == {"withdrawn"}


# --- a study folder ----------------------------------------------------------------------------

CONSENTS = """\
form,id,signed,by,ended
f1,01,2024-01-09,mother,
f2,02,2024-02-10,father,2024-02-12
"""
SAMPLES = """\
tube,id,from,taken
s1,02,,2024-02-12
s2,02,s1,
s3,02,,2024-02-13
s4,02,s3,
s5,02,s4,
s6,01,,2024-06-01
"""
LATER = "a3,02,CRP,4,mg/L,2024-02-13 09:00\n"
RECIPES = """\
  consent:
    entity: Consent
    source: consents
    key: [form]
    subject: id
    fields:
      signed: {to: date}
      by: {to: guardian}
      ended: {to: withdrawn}
  tubes:
    entity: Sample
    source: samples
    key: [tube]
    subject: id
    set: {material: serum}
    fields: {taken: {to: collected}}
    links: {parent: {entity: Sample, key: [from]}}
"""
ENDS = """\
  ends:
    entity: Disposition
    source: ends
    key: [id]
    subject: id
    set: {status: withdrawn}
    fields: {on: {to: date}}
"""


@pytest.fixture
def study(folder: Path, request: pytest.FixtureRequest) -> Path:
    """The small study with consents, samples, and a result of the day after a withdrawal."""
    (folder / "consents.csv").write_text(CONSENTS, encoding="utf-8")
    (folder / "samples.csv").write_text(SAMPLES, encoding="utf-8")
    with (folder / "lab.csv").open("a", encoding="utf-8") as file:
        file.write(LATER)
    add_source(folder, "consents", RECIPES)
    add_source(folder, "samples", "")
    edit(folder, "study.yaml", "file: lab.csv", "file: lab.csv, export: full")
    edit(folder, "people.csv", "7f3b,2,", "7f3b,1,")  # one arm, which is never without a child
    key = folder / ".study-fhir" / "study.key"  # ids of its own: the tests share a server
    key.write_text(request.node.nodeid.encode().hex()[-64:].rjust(64, "0"))
    return folder


def add_source(folder: Path, name: str, recipes: str) -> None:
    source = f"  {name}: {{format: csv, file: {name}.csv, export: full}}\n"
    edit(folder, "study.yaml", "recipes:\n", f"{source}recipes:\n")
    with (folder / "study.yaml").open("a", encoding="utf-8") as file:
        file.write(recipes)


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")


def setting(folder: Path, line: str) -> None:
    edit(folder, "study.yaml", "collision-limit", f"{line}\ncollision-limit")


def patient(folder: Path, key: str = "02") -> str:
    return Study(folder).context.id("Patient", (key,))


def of_subject(mapped: MapResult, subject: str) -> list[str]:
    return [m.reference for m in mapped.resources if subject in json.dumps(m.resource, default=str)]


def rejected(mapped: MapResult) -> list[tuple[str, str, str, int]]:
    return [(r.place, r.rule, r.effect, r.cells) for r in mapped.rejects]


AFTER = [
    ("lab.csv:5", "after-withdrawal", "row", 6),
    ("samples.csv:4", "after-withdrawal", "row", 3),
    ("samples.csv:5", "after-withdrawal", "row", 3),
    ("samples.csv:6", "after-withdrawal", "row", 3),
]


@pytest.mark.parametrize("required", [True, False])
def test_what_lies_after_the_withdrawal_of_a_consent_is_held_back(
    study: Path, required: bool
) -> None:
    setting(study, f"consent: {{required: {str(required).lower()}}}")
    mapped = map_study(Study(study))
    assert rejected(mapped) == AFTER
    kinds = [reference.partition("/")[0] for reference in of_subject(mapped, patient(study))]
    assert kinds.count("Specimen") == 2  # and the aliquot without a date goes with its parent
    assert kinds.count("Observation") == 1
    assert {"Patient", "ResearchSubject", "Consent", "RelatedPerson", "Group"} <= set(kinds)
    [part] = [
        m.resource
        for m in mapped.resources
        if m.resource["resourceType"] == "ResearchSubject" and m.subject == patient(study)
    ]
    assert part["status"] == "withdrawn"
    assert part["period"] == {"start": "2024-02-11", "end": "2024-02-12"}
    for source in mapped.ledger["sources"].values():  # and sums() has seen that nothing is lost
        outcomes = ("empty", "mapped", "defaulted", "merged", "omitted", "rejected")
        assert source["cells"] == sum(source[name] for name in outcomes)
    assert "02" not in json.dumps([r.reason for r in mapped.rejects])


def test_a_study_without_withdrawals_is_as_ever(study: Path) -> None:
    edit(study, "consents.csv", "2024-02-12", "")
    assert map_study(Study(study)).rejects == []


def test_a_disposition_holds_back_the_same(study: Path) -> None:
    edit(study, "consents.csv", "2024-02-12", "")
    (study / "ends.csv").write_text("id,on\n02,2024-02-12\n", encoding="utf-8")
    add_source(study, "ends", ENDS)
    assert rejected(map_study(Study(study))) == AFTER


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        ("f3,02,2024-02-10,father,2024-13-12\n", ["impossible-date"]),
        ("f2,02,2024-02-10,father,2024-02-11\n", ["duplicate-key", "duplicate-key"]),
    ],
)
def test_a_withdrawal_that_is_not_read_lets_nothing_dated_through(
    study: Path, rows: str, faults: list[str]
) -> None:
    if len(faults) == 1:  # else the row clashes with the one that says another day
        edit(study, "consents.csv", "2024-02-12", "")
    with (study / "consents.csv").open("a", encoding="utf-8") as file:
        file.write(rows)
    mapped = map_study(Study(study))
    assert [r.rule for r in mapped.rejects if r.file == "consents.csv"] == faults
    kinds = {reference.partition("/")[0] for reference in of_subject(mapped, patient(study))}
    assert kinds.isdisjoint({"Observation", "Specimen"})
    assert "Patient" in kinds


def test_a_disposition_that_is_not_read_lets_nothing_dated_through(study: Path) -> None:
    edit(study, "consents.csv", "2024-02-12", "")
    (study / "ends.csv").write_text("id,on\n02,soon\n", encoding="utf-8")
    add_source(study, "ends", ENDS)
    mapped = map_study(Study(study))
    assert {r.rule for r in mapped.rejects} == {"impossible-date", "after-withdrawal"}
    assert len([r for r in mapped.rejects if r.rule == "after-withdrawal"]) == 7


def test_erase_maps_nothing_of_who_withdrew(study: Path) -> None:
    setting(study, "withdrawal: erase")
    mapped = map_study(Study(study))
    assert of_subject(mapped, patient(study)) == []
    assert of_subject(mapped, patient(study, "01")) != []
    assert {rule for _, rule, _, _ in rejected(mapped)} == {"withdrawn"}
    assert len(mapped.rejects) == 9  # the subject, its consent, two results, five tubes


def test_the_setting_is_one_of_two(study: Path) -> None:
    setting(study, "withdrawal: forget")
    with pytest.raises(ConfigurationError, match="'forget' is not one of"):
        Study(study)


def test_the_end_is_explained_by_the_consent(study: Path) -> None:
    subject = Study(study).context.id("ResearchSubject", ("02",))
    found = explain(Study(study), f"ResearchSubject/{subject}.period.end")
    assert "consents.csv" in json.dumps(found.to_json())


# --- plan and push -----------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["withdrawal: keep", "withdrawal: erase"])
def test_what_a_server_has_of_it_is_held_and_not_vanished(study: Path, line: str) -> None:
    setting(study, line)
    edit(study, "consents.csv", "2024-02-12", "")
    with EmbeddedServer() as server:
        before = pushing.push(Study(study), server.url).mapped
        edit(study, "consents.csv", "father,", "father,2024-02-12")
        now = {m.reference for m in map_study(Study(study)).resources}
        gone = {m.reference for m in before.resources} - now
        assert len(gone) >= 4
        _, plan = planning.plan(Study(study), server.url)
        found = {item.reference: item.action for item in plan.items}
        assert {found[reference] for reference in gone} == {"held"}
        assert "vanished" not in found.values()
        again = pushing.push(Study(study), server.url)
        assert again.result.deleted == 0
        assert verifying.verify(Study(study), server.url).missing == []
