"""The invented cohort is plausible: ages, ranges, the order of what happens, and who is healthy."""

from __future__ import annotations

import csv
import datetime as dt
import importlib.util
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from adapter.locate import shipped

REFERENCE = shipped("examples") / "nct05862675"
FORMS, LAB, SAMPLES = "data/forms.csv", "data/laboratory.csv", "data/samples.xlsx"
Row = dict[str, str]


def read(name: str) -> list[Row]:
    if name == SAMPLES:
        book = CalamineWorkbook.from_path(REFERENCE / name)
        head, *body = book.get_sheet_by_name("Inventory").to_python()
        return [dict(zip(map(str, head), map(str, cells), strict=True)) for cells in body]
    with (REFERENCE / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def faults() -> list[Row]:
    return read("faulty-rows.csv")


def sound(name: str) -> Iterator[Row]:
    """The rows of a file that nothing is said to be wrong with."""
    faulty = {int(fault["line"]) for fault in faults() if fault["file"] == name}
    return (row for line, row in enumerate(read(name), start=2) if line not in faulty)


def children() -> dict[str, Row]:
    """The base row of each child, by record."""
    return {row["record_id"]: row for row in sound(FORMS) if not row["redcap_repeat_instrument"]}


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_the_dictionary_has_every_column_and_no_other() -> None:
    forms, fields = set(), set()
    for row in read("data/dictionary.csv"):
        assert len(row) == 18
        name = row["Variable / Field Name"]
        forms.add(f"{row['Form Name']}_complete")
        options = row["Choices, Calculations, OR Slider Labels"].split("|")
        if row["Field Type"] == "checkbox":
            fields |= {f"{name}___{option.partition(',')[0].strip()}" for option in options}
        else:
            fields.add(name)
    structure = {"redcap_repeat_instrument", "redcap_repeat_instance", "redcap_data_access_group"}
    assert set(read(FORMS)[0]) == forms | fields | structure


def test_every_fault_points_at_a_row_and_a_column_that_exist() -> None:
    tables = {name: read(name) for name in (FORMS, LAB, SAMPLES)}
    for fault in faults():
        row = tables[fault["file"]][int(fault["line"]) - 2]
        assert fault["effect"] in {"row", "cell"}
        assert fault["explanation"]
        if fault["rule"] == "duplicate-key":
            assert fault["column"] == ""
        elif fault["rule"] not in {"missing-key", "missing-value"}:
            assert row[fault["column"]], fault


def test_numbers_lie_within_the_dictionary_s_limits() -> None:
    """But for -99, which says that nothing was measured."""
    limits = {
        row["Variable / Field Name"]: (
            float(row["Text Validation Min"]),
            float(row["Text Validation Max"]),
        )
        for row in read("data/dictionary.csv")
        if row["Text Validation Type OR Show Slider Number"] in {"number", "integer"}
    }
    checked = 0
    for row in sound(FORMS):
        for name in limits.keys() & {n for n, text in row.items() if text not in ("", "-99")}:
            low, high = limits[name]
            assert low <= float(row[name]) <= high, name
            checked += 1
    assert checked > 5_000


def test_ages_are_those_of_the_registration_and_follow_from_the_dates() -> None:
    for child in children().values():
        age = float(child["age_years"])
        assert 1 <= age < 15
        days = (moment(child["enrol_date"]) - moment(child["birth_date"])).days
        assert abs(days / 365.25 - age) < 0.01


def test_recruitment_takes_two_years_from_july_2023() -> None:
    dates = [child["enrol_date"] for child in children().values()]
    assert "2023-07-01" <= min(dates) <= max(dates) < "2025-07-01"


def test_healthy_children_have_no_stay_no_exosomes_and_no_oxygen() -> None:
    healthy = {record for record, row in children().items() if row["study_group"] == "3"}
    assert len(healthy) == 100
    for row in sound(FORMS):
        if row["record_id"] in healthy:
            assert not any(row[name] for name in ("hosp_no", "dx_main", "exo_time", "o2_flow"))
            assert not row["spo2"] or int(row["spo2"]) >= 95


def test_nothing_is_recorded_in_hospital_outside_the_stay() -> None:
    stays = {record: row for record, row in children().items() if row["adm_time"]}
    times = {
        FORMS: ("day_time", "rs_start", "rs_end", "exo_time"),
        LAB: ("collected_at",),
        SAMPLES: ("collected",),
    }
    checked = 0
    for name, columns in times.items():
        for row in sound(name):
            stay = stays.get(row["record_id"])
            for column in columns if stay else ():
                if stay and row[column]:
                    here = moment(stay["adm_time"]), moment(stay["dis_time"])
                    assert here[0] <= moment(row[column]) <= here[1], (name, column)
                    checked += 1
    assert checked > 5_000


def test_an_event_is_blamed_on_a_dose_given_before_it() -> None:
    doses = {
        (row["record_id"], row["redcap_repeat_instance"]): row["exo_time"]
        for row in sound(FORMS)
        if row["exo_time"]
    }
    events = [row for row in sound(FORMS) if row["ae_onset"]]
    assert len(events) > 100
    for event in events:
        given = doses[event["record_id"], event["ae_dose_no"]]
        assert given[:10] <= event["ae_onset"] <= event["ae_end"]
        years = moment(event["ae_onset"]) - moment(given)
        assert years <= dt.timedelta(days=366)


def test_serious_events_and_only_they_have_a_criterion() -> None:
    for row in sound(FORMS):
        if row["ae_term"]:
            ticked = any(row[f"ae_criteria___{code}"] == "1" for code in "1234")
            assert ticked == (row["ae_serious"] == "1")


def test_nothing_is_recorded_after_a_withdrawal() -> None:
    last = {record: row["wd_date"] for record, row in children().items() if row["wd_date"]}
    assert len(last) == 6
    starts = ("day_time", "lf_time", "exo_time", "seq_date", "sq_date", "ae_onset")
    for row in sound(FORMS):
        if row["record_id"] in last:
            assert all(row[name][:10] <= last[row["record_id"]] for name in starts)


def test_crp_falls_as_a_sick_child_recovers() -> None:
    found: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for row in sound(LAB):
        if row["test"] == "CRP":
            value = float(row["result"].removeprefix("<"))
            found[row["record_id"]].append((row["collected_at"], value))
    twice = [sorted(values) for values in found.values() if len(values) == 2]
    assert len(twice) > 150
    assert all(before > after for (_, before), (_, after) in twice)


@pytest.mark.skipif(not (REFERENCE / "make_cohort.py").exists(), reason="only in a checkout")
def test_the_script_names_every_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    script: Path = REFERENCE / "make_cohort.py"
    spec = importlib.util.spec_from_file_location("make_cohort", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    flagged = {
        row["Variable / Field Name"]
        for row in read("data/dictionary.csv")
        if row["Identifier?"] == "y"
    } - {"birth_date"}
    assert flagged >= {"child_name", "guardian_name", "guardian_phone", "national_id", "hosp_no"}
    held = {row[name] for row in read(FORMS) for name in flagged if row[name]}
    held |= {row["patient_name"] for row in read(LAB)}
    held |= {row["child_name"] for row in read(SAMPLES)}
    assert module.identifiers() == held
