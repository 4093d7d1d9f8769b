"""What is wrong with the delivered files, on purpose, and what a run must say about it.

Each fault changes a row, or adds one, and states the reject it must cause. Line numbers are known
when the files are written.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

from cohort.children import Child
from cohort.forms import Cells

FORMS, LAB, SAMPLES = "data/forms.csv", "data/laboratory.csv", "data/samples.xlsx"


@dataclass(slots=True)
class Expected:
    """A reject that must be reported: the row it is in, and what is said of it."""

    file: str
    row: Cells
    column: str
    rule: str
    effect: str
    explanation: str


@dataclass(slots=True)
class Faults:
    """Spoils the files and remembers how."""

    children: list[Child]
    forms: list[Cells]
    lab: list[Cells]
    samples: list[Cells]
    expected: list[Expected] = field(default_factory=list)
    spoiled: set[str] = field(default_factory=set)

    def make(self) -> list[Expected]:
        """Every fault of the cohort."""
        self._forms()
        self._subjects()
        self._laboratory()
        self._samples()
        return self.expected

    # --- tools ---

    def _rows(self, file: str) -> list[Cells]:
        return {FORMS: self.forms, LAB: self.lab, SAMPLES: self.samples}[file]

    def _find(self, file: str, wanted: Callable[[Cells], bool]) -> Cells:
        """The first row of a child nothing else is wrong with."""
        withdrawn = {child.record for child in self.children if child.withdrawn}
        for row in self._rows(file):
            record = row["record_id"]
            if record not in self.spoiled | withdrawn and wanted(row):
                self.spoiled.add(record)
                return row
        raise LookupError(file)

    def _form(self, name: str, wanted: Callable[[Cells], bool] = lambda _: True) -> Cells:
        return self._find(
            FORMS, lambda row: row.get("redcap_repeat_instrument", "") == name and wanted(row)
        )

    def _spoil(self, file: str, row: Cells, column: str, value: str, rule: str, effect: str,
               why: str) -> None:  # fmt: skip
        row[column] = value
        self.spoiled.add(row["record_id"])
        self._expect(file, row, column, rule, effect, why)

    def _expect(self, file: str, row: Cells, column: str, rule: str, effect: str,
                why: str) -> None:  # fmt: skip
        self.expected.append(Expected(file, row, column, rule, effect, why))

    def _after(self, file: str, row: Cells, **changed: str) -> Cells:
        """A copy of a row, changed, right after it."""
        rows = self._rows(file)
        twin = copy.copy(row) | changed
        rows.insert(next(n for n, each in enumerate(rows) if each is row) + 1, twin)
        return twin

    # --- the REDCap export ---

    def _forms(self) -> None:
        day, sick = "daily_course", (lambda row: bool(row.get("fio2")))
        for form, column, value, rule, effect, why in (
            (day, "day_time", "2024-02-30 08:10", "impossible-date", "row", "30 February"),
            (day, "hr", "999", "out-of-range", "cell", "above the dictionary's maximum"),
            (day, "temp", "n/a", "not-a-number", "cell", "text where a number belongs"),
            (day, "support_now", "9", "unknown-code", "cell", "none of the choices"),
            (day, "fio2", "15", "out-of-range", "cell", "less oxygen than air holds"),
            ("medication", "med_drug", "77", "unknown-code", "row", "a drug nobody knows"),
            ("medication", "med_dose", "plenty", "not-a-number", "cell", "text for a dose"),
            ("adverse_event", "ae_onset", "2024-06-31", "impossible-date", "row", "31 June"),
            ("adverse_event", "ae_term", "", "missing-value", "row", "an event without a name"),
            ("adverse_event", "ae_dose_no", "9", "unknown-reference", "cell", "no such dose"),
            ("sequencing", "seq_sample", "CQ9999-P1", "unknown-reference", "cell",
             "no such sample"),
            ("safety_questionnaire", "sq_missed", "700", "out-of-range", "cell",
             "more days than a year has"),
        ):  # fmt: skip
            row = self._form(form, sick if form == day else lambda _: True)
            self._spoil(FORMS, row, column, value, rule, effect, why)
        self._stays()
        self._repeats()

    def _stays(self) -> None:
        stay = lambda row: bool(row.get("adm_time"))
        row = self._form("", lambda row: stay(row) and bool(row.get("dx_second")))
        self._spoil(FORMS, row, "dx_second", "99", "unknown-code", "row", "no such diagnosis")
        row = self._form("", stay)
        early = f"{int(row['adm_time'][:4]) - 1}{row['adm_time'][4:]}"
        self._spoil(FORMS, row, "dis_time", early, "date-order", "row", "left before it came")
        row = self._form("", stay)
        self._spoil(FORMS, row, "illness_days", "-3", "out-of-range", "cell", "below zero")
        row = self._form("respiratory_support")
        self._spoil(FORMS, row, "rs_end", "2023-01-01 08:00", "date-order", "row", "ends first")
        for given in self.forms:  # what was set in that period
            same = given["record_id"] == row["record_id"]
            if same and given.get("day_support") == row["redcap_repeat_instance"]:
                self._expect(FORMS, given, "day_support", "unknown-reference", "cell",
                             "the period is rejected")  # fmt: skip
        busy = {r["record_id"] for r in self.forms
                if r.get("redcap_repeat_instrument") == "adverse_event"}  # fmt: skip
        row = self._form("exosome_dose", lambda row: row["record_id"] not in busy)
        self._spoil(
            FORMS, row, "exo_time", "2023-13-02 15:00", "impossible-date", "row", "month 13"
        )
        row = self._form("lung_function", lambda row: bool(row.get("fev1")))
        self._spoil(FORMS, row, "fev1", "25", "out-of-range", "cell", "a zoo's lung")
        for part in ("fev1_pct", "fev1_z"):
            self._expect(FORMS, row, part, "missing-value", "cell", "belongs to the bad FEV1")

    def _repeats(self) -> None:
        row = self._form("daily_course", lambda row: bool(row.get("fio2")))
        twin = self._after(FORMS, row, hr=str(int(row["hr"]) + 7))
        for each in (row, twin):
            self._expect(FORMS, each, "", "duplicate-key", "row", "one key, different content")
        self._after(FORMS, self._form("medication"))  # equal: merged, no reject
        row = self._form("daily_course")
        stray = self._after(
            FORMS, row, redcap_repeat_instrument="daily_corse", redcap_repeat_instance="1"
        )
        self._expect(FORMS, stray, "redcap_repeat_instrument", "unknown-code", "row",
                     "a form nobody has")  # fmt: skip

    # --- children who cannot be enrolled ---

    def _subjects(self) -> None:
        model = next(
            row for row in self.forms
            if not row.get("redcap_repeat_instrument") and not row.get("adm_time")
        )  # fmt: skip
        day = next(
            row for row in self.forms if row.get("redcap_repeat_instrument") == "daily_course"
            and row["record_id"] == model["record_id"]
        )  # fmt: skip
        for record, column, value, rule, why in (
            ("0301", "birth_date", "2016-05-05", "duplicate-key", "two children with one number"),
            ("0302", "enrol_date", "2023-02-29", "impossible-date", "no leap year"),
            ("0303", "sex", "3", "unknown-code", "none of the choices"),
        ):
            own = {"record_id": record, "national_id": f"500102016050{record}X",
                   "guardian_phone": f"139-2300-{record}"}  # fmt: skip
            first = model | own
            rows = [first, first | {column: value}] if rule == "duplicate-key" else [first]
            if rule != "duplicate-key":
                first[column] = value
            place = "" if rule == "duplicate-key" else column
            for row in rows:
                self._expect(FORMS, row, place, rule, "row", why)
                self._expect(FORMS, row, "record_id", "rejected-subject", "row", "goes with it")
            visit = day | {"record_id": record}
            self._expect(FORMS, visit, "record_id", "rejected-subject", "row", "goes with it")
            self.forms += [*rows, visit]
        result = copy.copy(self.lab[-1]) | {"record_id": "0302", "order_no": "L0302-1"}
        result |= {"sample_id": ""}
        self.lab.append(result)
        self._expect(LAB, result, "record_id", "rejected-subject", "row", "goes with the child")

    # --- laboratory and inventory ---

    def _laboratory(self) -> None:
        is_test = lambda name: lambda row: row["test"] == name and row["order_no"].endswith("-2")
        for test, column, value, rule, effect, why in (
            ("PCT", "unit", "mg/L", "wrong-unit", "row", "procalcitonin is not given in mg/L"),
            ("CRP", "unit", "furlong", "unknown-code", "row", "no unit"),
            ("WBC", "test", "XYZ", "unknown-code", "row", "no such test"),
            ("HGB", "result", "clotted", "not-a-number", "row", "text for a result"),
            ("CRP", "record_id", "0999", "unknown-subject", "row", "nobody enrolled this child"),
            ("CRP", "sample_id", "CQ0999-S1", "unknown-reference", "cell", "no such sample"),
            ("WBC", "order_no", "", "missing-key", "row", "a result without an order"),
            ("HGB", "collected_at", "2024-04-31 10:00", "impossible-date", "row", "31 April"),
        ):
            row = self._find(LAB, is_test(test))
            self._spoil(LAB, row, column, value, rule, effect, why)
        row = self._find(LAB, is_test("CRP"))
        twin = self._after(LAB, row, result="88.8")
        for each in (row, twin):
            self._expect(LAB, each, "", "duplicate-key", "row", "one order, two results")

    def _samples(self) -> None:
        aliquot = lambda row: bool(row.get("parent_id"))
        for column, value, rule, effect, why in (
            ("material", "XX", "unknown-code", "row", "no such material"),
            ("record_id", "0998", "unknown-subject", "row", "nobody enrolled this child"),
            ("volume_ml", "lots", "not-a-number", "cell", "text for a volume"),
            ("parent_id", "CQ0999-S1", "unknown-reference", "cell", "no such sample"),
            ("received", "2024-02-30 09:00", "impossible-date", "row", "30 February"),
        ):
            row = self._find(SAMPLES, aliquot)
            self._spoil(SAMPLES, row, column, value, rule, effect, why)
