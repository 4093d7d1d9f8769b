"""The laboratory's long export: local test codes and local units."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from cohort.children import Child
from cohort.forms import Cells, moment

COLUMNS = (
    "order_no record_id patient_name test result unit ref_low ref_high ref_age_from ref_age_to "
    "flag collected_at sample_id"
).split()
AGES = ("1", "15")  # years that the ranges of blood counts hold for
BLOOD_COUNT = ("WBC", "NEU%", "HGB", "PLT")

# test -> unit, reference range
TESTS = {
    "CRP": ("mg/L", "0", "8"), "PCT": ("ng/mL", "0", "0.5"), "WBC": ("10^9/L", "4.4", "11.9"),
    "NEU%": ("%", "23", "64"), "HGB": ("g/L", "112", "149"), "PLT": ("10^9/L", "188", "472"),
    "ALT": ("U/L", "7", "30"), "CREA": ("umol/L", "19", "62"), "PO2": ("mmHg", "80", "105"),
    "PCO2": ("mmHg", "32", "48"), "PH": ("pH", "7.35", "7.45"), "LAC": ("mmol/L", "0.5", "2.2"),
}  # fmt: skip
SERUM = ("CRP", "PCT", "ALT", "CREA")  # measured in the study's serum sample


def export(children: list[Child]) -> Iterator[Cells]:
    """One row a result: two draws in hospital, one in healthy children."""
    for child in children:
        if not child.sick:
            results = {"CRP": 0.4, "WBC": 7.5, "HGB": 128.0, "PLT": 290.0}
            yield from _draw(child, 1, 0, results)
            continue
        yield from _draw(child, 1, 0, _acute(child))
        yield from _draw(child, 2, min(4, len(child.days)), _recovering(child))


def _acute(child: Child) -> dict[str, float]:
    illness = child.severity * (1.6 if child.group == "1" else 0.5)
    worst = child.days[0]
    return {
        "CRP": 6 + 24 * illness, "PCT": 0.1 + 1.1 * illness, "WBC": 8 + 2.6 * illness,
        "NEU%": 48 + 7 * illness, "HGB": 121.0, "PLT": 305.0, "ALT": 22 + 4 * illness,
        "CREA": 22 + 2.4 * child.age, "PO2": 92 - 9.0 * child.severity,
        "PCO2": 38 + 3.5 * child.severity, "PH": 7.41 - 0.03 * child.severity,
        "LAC": 0.9 + 0.5 * child.severity + (0.4 if worst.support == "5" else 0),
    }  # fmt: skip


def _recovering(child: Child) -> dict[str, float]:
    left = 0.25 * child.severity
    return {
        "CRP": 0.3 + 6 * left, "PCT": 0.03 + 0.2 * left, "WBC": 7.5 + left, "HGB": 119.0,
    }  # fmt: skip


def _draw(child: Child, number: int, day: int, results: dict[str, float]) -> Iterator[Cells]:
    rng = child.rng
    date = child.enrolled + dt.timedelta(days=day)
    time = dt.datetime.combine(date, dt.time(10, rng.randrange(60)))
    for test, middle in results.items():
        unit, low, high = TESTS[test]
        value = middle * rng.uniform(0.94, 1.06) if test != "PH" else middle
        text = f"{value:.2f}" if value < 10 else f"{value:.1f}"
        if test == "CRP" and value < 0.5:
            text, value = "<0.5", 0.4
        flag = "H" if value > float(high) else "L" if value < float(low) else "N"
        ages = AGES if test in BLOOD_COUNT else ("", "")
        yield {
            "order_no": f"L{child.record}-{number}", "record_id": child.record,
            "patient_name": child.name, "test": test, "result": text, "unit": unit,
            "ref_low": low, "ref_high": high, "ref_age_from": ages[0], "ref_age_to": ages[1],
            "flag": flag, "collected_at": moment(time),
            "sample_id": f"CQ{child.record}-S1" if test in SERUM and number == 1 else "",
        }  # fmt: skip
