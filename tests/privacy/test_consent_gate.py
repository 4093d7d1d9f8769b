"""Whose data may leave: what consent does not cover is held back before anything is mapped."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter.demo.server import EmbeddedServer
from adapter.errors import ConfigurationError, UnavailableError, UsageError
from adapter.explain import explain
from adapter.mapping import MapResult, map_study
from adapter.privacy import consent, refusals
from adapter.service import mapping, planning, pushing, reports, verifying
from adapter.settings import ConsentSettings
from adapter.study import Study
from mappings.entities import Consent, SequencingResult, Subject

TODAY = "2024-07-01"
CHILD = Subject(key=("01",), arm="treated", sex="male", birth_year="2015", enrolled="2024-01-10")
GIVEN = Consent(key=("c1",), subject=("01",), date="2024-01-09", guardian="mother")
NEEDED = ConsentSettings(required=True)
FROM_14 = ConsentSettings(required=True, own_from=14)
GENETICS = ConsentSettings(required=True, genetics=True)


def why(*consents: Consent, needed: ConsentSettings = NEEDED, child: Subject = CHILD) -> str | None:
    """The reason why the subject as a whole is held back."""
    found = refusals(child, consents, needed, TODAY).get(Subject)
    assert found is None or found[0] == "no-consent"
    return found[1] if found else None


def test_d01_a_guardian_s_consent_lets_all_through() -> None:
    assert refusals(CHILD, [GIVEN], NEEDED, TODAY) == {}
    assert refusals(CHILD, [replace(GIVEN, assent="permit")], FROM_14, TODAY) == {}


def test_d01_without_a_permitting_consent_nothing_goes() -> None:
    assert why() == consent.NOT_GIVEN
    assert why(replace(GIVEN, decision="deny")) == consent.NOT_GIVEN
    assert why(replace(GIVEN, assent="deny")) == consent.OWN


def test_d01_the_latest_consent_counts() -> None:
    refused = replace(GIVEN, key=("c2",), decision="deny", date="2024-03-01T09:00:00+08:00")
    assert why(GIVEN, refused) == consent.NOT_GIVEN
    assert why(replace(GIVEN, date="2024-03-02"), refused) is None
    for same_day in ("2024-03-01", "2024-03", "2024"):  # which is later cannot be told
        assert why(replace(GIVEN, date=same_day), refused) == consent.NOT_GIVEN


@pytest.mark.parametrize(
    ("expires", "holds"),
    [(TODAY, True), ("2024-06-30", False), ("2024-07", True), ("2024-06", False), ("2024", True)],
)
def test_d01_an_expired_consent_holds_no_more(expires: str, holds: bool) -> None:
    assert why(replace(GIVEN, expires=expires)) == (None if holds else consent.EXPIRED)


def test_d01_a_withdrawn_consent_is_judged_on_its_last_day() -> None:
    withdrawn = replace(GIVEN, withdrawn="2024-05-01", expires="2024-06-01")
    assert why(withdrawn) is None  # the data up to that day stay, as ever
    assert why(replace(withdrawn, expires="2024-04-30")) == consent.EXPIRED
    assert (
        why(replace(GIVEN, expires="2024-06-01"), child=replace(CHILD, deceased="2024-05")) is None
    )


@pytest.mark.parametrize(
    ("born", "guardian", "assent", "expected"),
    [
        ("2015", "mother", None, None),
        ("2015", None, None, consent.GUARDIAN),
        ("2015", None, "permit", consent.GUARDIAN),  # too young to consent alone
        ("2009", None, "permit", None),  # of age: the guardian is not asked for
        ("2009", "mother", None, consent.OWN),
        ("2009", "mother", "deny", consent.OWN),
        ("2010", "mother", None, consent.OWN),  # 14 in this year: both
        ("2010", None, "permit", consent.GUARDIAN),
        ("2010", "mother", "permit", None),
        ("2011", "mother", None, None),
        (None, "mother", None, consent.OWN),  # age unknown: both
        (None, None, "permit", consent.GUARDIAN),
    ],
)
def test_d01_from_an_age_on_a_child_decides_too(
    born: str | None, guardian: str | None, assent: str | None, expected: str | None
) -> None:
    given = replace(GIVEN, guardian=guardian, assent=assent)
    assert why(given, needed=FROM_14, child=replace(CHILD, birth_year=born)) == expected


def test_d01_a_consent_by_nobody_is_none() -> None:
    assert why(replace(GIVEN, guardian=None)) == consent.NOBODY
    assert why(replace(GIVEN, guardian=None, assent="permit")) is None


@pytest.mark.parametrize(
    ("said", "needed", "held"),
    [
        (None, NEEDED, False),
        ("permit", NEEDED, False),
        ("deny", NEEDED, True),
        (None, GENETICS, True),
        ("permit", GENETICS, False),
        ("deny", GENETICS, True),
    ],
)
def test_d02_genetics_may_be_excluded(
    said: str | None, needed: ConsentSettings, held: bool
) -> None:
    found = refusals(CHILD, [replace(GIVEN, genetics=said)], needed, TODAY)
    expected = {SequencingResult: ("no-consent-genetics", consent.NOT_GENETICS)}
    assert found == (expected if held else {})


def test_d02_the_latest_word_on_genetics_counts() -> None:
    later = replace(GIVEN, key=("c2",), date="2024-03-01")
    excluded = replace(GIVEN, genetics="deny")
    assert SequencingResult in refusals(CHILD, [excluded, later], NEEDED, TODAY)
    permitted = replace(later, genetics="permit")
    assert refusals(CHILD, [excluded, permitted], GENETICS, TODAY) == {}
    both = [excluded, replace(permitted, date=GIVEN.date)]
    assert SequencingResult in refusals(CHILD, both, NEEDED, TODAY)


def test_d02_without_export_nothing_goes() -> None:
    assert why(replace(GIVEN, export="deny")) == consent.NO_EXPORT
    assert why(replace(GIVEN, export="permit")) is None


# --- a study folder ----------------------------------------------------------------------------

CONSENTS = """\
form,id,signed,by,child,says,genes,abroad,ends
f1,01,2024-01-09,mother,,1,,,
f2,02,2024-02-10,father,,1,,,
"""
SEQUENCING = """\
run,id,on,target,reads
r1,01,2024-01-12,rsv,120
r2,02,2024-02-12,rsv,7
"""
RECIPES = """\
  consent:
    entity: Consent
    source: consents
    key: [form]
    subject: id
    fields:
      signed: {to: date}
      by: {to: guardian}
      child: {to: assent, codes: {"1": permit, "0": deny}}
      says: {to: decision, codes: {"1": permit, "0": deny}}
      genes: {to: genetics, codes: {"1": permit, "0": deny}}
      abroad: {to: export, codes: {"1": permit, "0": deny}}
      ends: {to: expires}
  sequencing:
    entity: SequencingResult
    source: sequencing
    key: [run]
    subject: id
    set: {file: CANARY-FILE}
    fields: {on: {to: date}}
    findings: [{target: target, reads: reads, codes: {rsv: rsv-a}}]
"""


@pytest.fixture
def study(folder: Path) -> Path:
    """The small study with consents and sequencing, where consent is required."""
    (folder / "consents.csv").write_text(CONSENTS, encoding="utf-8")
    (folder / "sequencing.csv").write_text(SEQUENCING, encoding="utf-8")
    edit(
        folder,
        "study.yaml",
        "collision-limit: 50%",
        "collision-limit: 50%\nconsent: {required: true}",
    )
    sources = "  consents: {format: csv, file: consents.csv, export: full}\n"
    sources += "  sequencing: {format: csv, file: sequencing.csv, export: full}\n"
    edit(folder, "study.yaml", "recipes:\n", f"{sources}recipes:\n")
    edit(folder, "people.csv", "7f3b,2,", "7f3b,1,")  # one arm, which is never without a child
    edit(folder, "study.yaml", "file: people.csv,", "file: people.csv, export: full,")
    with (folder / "study.yaml").open("a", encoding="utf-8") as file:
        file.write(RECIPES)
    return folder


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def opened(folder: Path) -> Study:
    study = Study(folder)
    study.today = TODAY
    return study


def patient(folder: Path, key: str = "02") -> str:
    return opened(folder).context.id("Patient", (key,))


def rejected(mapped: MapResult) -> list[tuple[str, str, str, int]]:
    return [(r.place, r.rule, r.effect, r.cells) for r in mapped.rejects]


def of_subject(mapped: MapResult, subject: str) -> list[str]:
    """What is about a subject, or refers to it, or holds its id anywhere."""
    return [m.reference for m in mapped.resources if subject in json.dumps(m.resource, default=str)]


# what becomes of the second child's consent row, and how many cells its rows then hold
CASES = {
    "no row": ("f2,02,2024-02-10,father,,1,,,\n", "", None),
    "refused": ("father,,1", "father,,0", 5),
    "undecided": ("father,,1", "father,,", 4),
    "by nobody": ("father,,1", ",,1", 4),
    "the child says no": ("father,,1", "father,0,1", 6),
    "expired": ("father,,1,,,", "father,,1,,,2024-06-30", 6),
    "not read": ("father,,1", "father,7,1", 6),
    "not abroad": ("father,,1,,,", "father,,1,,0,", 6),
}


@pytest.mark.parametrize(("old", "new", "cells"), CASES.values(), ids=CASES)
def test_d01_what_is_not_consented_to_is_not_mapped(
    study: Path, old: str, new: str, cells: int | None
) -> None:
    assert map_study(opened(study)).rejects == []
    edit(study, "consents.csv", old, new)
    mapped = map_study(opened(study))
    assert of_subject(mapped, patient(study)) == []
    assert of_subject(mapped, patient(study, "01")) != []
    held = [each for each in rejected(mapped) if each[1] == "no-consent"]
    rows = [("lab.csv:4", 6), ("people.csv:3", 5), ("sequencing.csv:3", 5)]
    assert [(place, n) for place, _, _, n in held if "consents" not in place] == rows
    if cells is not None:
        at_consent = [r for r in mapped.rejects if r.file == "consents.csv"]
        assert sum(r.cells for r in at_consent) == cells
        said = "missing-value" if new == "father,," else "no-consent"  # nothing decided is a fault
        assert said in {r.rule for r in at_consent}
    sums = mapped.ledger["sources"]  # and Ledger.sums() has seen that nothing is lost
    for source in sums.values():
        outcomes = ("empty", "mapped", "defaulted", "merged", "omitted", "rejected")
        assert source["cells"] == sum(source[name] for name in outcomes)
    people = sums["people"]
    assert (people["mapped"], people["rejected"], people["omitted"]) == (5, 5, 2)
    assert "02" not in json.dumps([r.reason for r in mapped.rejects])


@pytest.mark.parametrize(
    "rows",
    [
        "f3,02,2024-13-99,father,,0,,,\n",  # no date
        "f3,02,2024-03-01,father,,1,,,\nf3,02,2024-03-01,mother,,1,,,\n",  # which one holds?
    ],
)
def test_d01_an_unread_row_counts_against_an_earlier_consent(study: Path, rows: str) -> None:
    with (study / "consents.csv").open("a", encoding="utf-8") as file:
        file.write(rows)
    assert of_subject(map_study(opened(study)), patient(study)) == []


def test_d01_the_same_rows_go_where_consent_is_not_required(study: Path) -> None:
    edit(study, "consents.csv", "father,,1", "father,,0")
    edit(study, "study.yaml", "consent: {required: true}\n", "")
    mapped = map_study(opened(study))
    assert mapped.rejects == []
    assert f"Patient/{patient(study)}" in of_subject(mapped, patient(study))


def test_d01_a_withdrawn_consent_keeps_what_was_until_then(study: Path) -> None:
    edit(study, "study.yaml", "ends: {to: expires}", "ends: {to: withdrawn}")
    edit(study, "consents.csv", "father,,1,,,", "father,,1,,,2024-05-01")
    mapped = map_study(opened(study))
    assert mapped.rejects == []
    assert f"Patient/{patient(study)}" in of_subject(mapped, patient(study))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("consent: {required: false, genetics: true}", "True was expected"),
        ("consent: {own-from: 14}", "'required' is a required property"),
        ("consent: {required: true, own-from: -1}", "less than the minimum"),
    ],
)
def test_d01_settings_that_say_nothing_are_refused(study: Path, setting: str, message: str) -> None:
    edit(study, "study.yaml", "consent: {required: true}", setting)
    with pytest.raises(ConfigurationError, match=message):
        opened(study)


def test_d01_a_consent_that_no_recipe_makes_cannot_be_required(study: Path, folder: Path) -> None:
    edit(
        study,
        "study.yaml",
        "consent: {required: true}",
        "consent: {required: true, genetics: true}",
    )
    assert mapping.check(opened(study))["recipes"] == 4
    edit(study, "study.yaml", '      genes: {to: genetics, codes: {"1": permit, "0": deny}}\n', "")
    with pytest.raises(ConfigurationError, match="genetics of a Consent"):
        mapping.check(opened(study))
    text = (study / "study.yaml").read_text(encoding="utf-8")
    (study / "study.yaml").write_text(
        re.sub(r"  consent:\n.*(?=  sequencing:\n    e)", "", text, flags=re.S)
    )
    with pytest.raises(ConfigurationError, match="no recipe makes a Consent"):
        mapping.check(opened(study))


def test_d02_sequencing_is_held_back_and_the_rest_flows(study: Path) -> None:
    before = of_subject(map_study(opened(study)), patient(study))
    edit(study, "consents.csv", "father,,1,,,", "father,,1,0,,")
    mapped = map_study(opened(study))
    after = of_subject(mapped, patient(study))
    gone = sorted(set(before) - set(after))
    kinds = [reference.partition("/")[0] for reference in gone]
    assert kinds == ["DiagnosticReport", "DocumentReference", "Observation"]
    assert all(mapped.is_held(reference, patient(study)) for reference in gone)
    assert rejected(mapped) == [("sequencing.csv:3", "no-consent-genetics", "row", 5)]
    assert set(after) < set(before)
    consents = [m.resource for m in mapped.resources if m.reference in after]
    [sent] = [each for each in consents if each["resourceType"] == "Consent"]
    assert sent["provision"]["provision"][0]["type"] == "deny"


# --- plan, push, report, explain ---------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as running:
        yield running


def outbox_text(folder: Path) -> str:
    with sqlite3.connect(folder / ".study-fhir" / "outbox.sqlite") as db:
        return "\n".join(
            str(row)
            for table in ("change", "lease")
            for row in db.execute(f"SELECT * FROM {table}")  # noqa: S608
        )


def test_d01_nothing_of_the_subject_reaches_the_outbox(
    study: Path, server: EmbeddedServer, tmp_path: Path
) -> None:
    edit(study, "consents.csv", "father,,1", "father,,0")
    pushed = pushing.push(opened(study), server.url)
    assert pushed.exit == 1
    assert pushed.to_json()["rejected"] == 4
    held = outbox_text(study)
    assert patient(study, "01") in held
    assert patient(study) not in held
    page = reports.write_report(pushed.mapped, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no-consent" in page
    assert patient(study) not in page
    with pytest.raises(UsageError, match="makes no Patient"):
        explain(opened(study), f"Patient/{patient(study)}.gender")


def test_d01_what_was_queued_before_is_not_sent_any_more(study: Path) -> None:
    with EmbeddedServer() as alive:
        away = f"http://127.0.0.1:{alive.port}/fhir"
        alive.stop()
        with pytest.raises(UnavailableError):
            pushing.push(opened(study), away, wait=0)
        assert patient(study) in outbox_text(study)
        given = (study / "consents.csv").read_text(encoding="utf-8")
        edit(study, "consents.csv", "father,,1", "father,,0")
        alive.start()
        mapped = pushing.push(opened(study), away).mapped
        others = [m.reference for m in mapped.resources if m.reference.startswith("Patient/")]
        assert alive.count("Patient") == len(others) == 1
        assert verifying.verify(opened(study), away).missing == []
        (study / "consents.csv").write_text(given, encoding="utf-8")  # consent after all
        again = pushing.push(opened(study), away)
        assert again.result.created >= 3
        assert verifying.verify(opened(study), away).checked >= len(again.mapped.resources)


def actions(folder: Path, server: EmbeddedServer) -> dict[str, list[str]]:
    _, plan = planning.plan(opened(folder), server.url)
    found: dict[str, list[str]] = {}
    for item in plan.items:
        found.setdefault(item.action, []).append(item.reference)
    return found


@pytest.mark.parametrize("denied", ["father,,0,,,", "father,,1,0,,"], ids=["all", "genetics"])
def test_d01_d02_what_was_acknowledged_is_listed_as_held(
    study: Path, server: EmbeddedServer, request: pytest.FixtureRequest, denied: str
) -> None:
    key = study / ".study-fhir" / "study.key"  # ids of its own: the tests share a server
    key.write_text(request.node.nodeid.encode().hex()[-64:].rjust(64, "0"))
    sent = of_subject(pushing.push(opened(study), server.url).mapped, patient(study))
    edit(study, "consents.csv", "father,,1,,,", denied)
    found = actions(study, server)
    now: Any = map_study(opened(study)).resources
    gone = set(sent) - {each.reference for each in now}
    assert len(gone) >= 3
    assert set(found["held"]) == gone
    assert "vanished" not in found
    again = pushing.push(opened(study), server.url)
    assert again.result.deleted == 0
    assert verifying.verify(opened(study), server.url).missing == []
