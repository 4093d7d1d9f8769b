"""The children's forms as a REDCap export: one base row, and one row a repeat."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from cohort.children import EXPERIMENTAL, HEALTHY, Child, spirometry, supports
from cohort.dictionary import REPEATING

BATCHES = ("EXO-2306-A", "EXO-2311-B", "EXO-2405-C", "EXO-2412-D")
ADULT_ASSENT = 8  # years from which the child is asked
NOT_DONE = "-99"  # the study's code for what was to be measured and was not
UNMEASURED = 17  # the minute of a round in which nobody had a thermometer
TOO_YOUNG = 1.5  # years below which a child rarely lies still on the first day
VENTILATED = ("4", "5")  # codes of support with a pressure at the end of a breath
SECOND_DOSE = 2  # days after the first; an event is blamed on a dose that was given before it

Cells = dict[str, str]


def moment(time: dt.datetime | None) -> str:
    """Local time as the export writes it."""
    return f"{time:%Y-%m-%d %H:%M}" if time else ""


def export(children: list[Child]) -> Iterator[Cells]:
    """Every row of the export, a child after the other."""
    for child in children:
        yield base(child)
        for form in REPEATING:
            for number, cells in enumerate(FORMS[form](child), start=1):
                yield {"record_id": child.record, "redcap_repeat_instrument": form,
                       "redcap_repeat_instance": str(number), **cells,
                       f"{form}_complete": "2"}  # fmt: skip


def base(child: Child) -> Cells:
    """The forms that a child has once."""
    rng = child.rng
    cells = {
        "record_id": child.record, "redcap_data_access_group": "chongqing",
        "child_name": child.name, "national_id": f"50010{child.born:%Y%m%d}{child.number:04d}X",
        "guardian_phone": f"139-2300-{child.number:04d}", "birth_date": f"{child.born}",
        "sex": child.sex, "study_group": child.group, "screen_date": f"{_screened(child)}",
        "enrol_date": f"{child.enrolled}",
        "age_years": f"{child.age:.2f}", "demographics_complete": "2",
        "consent_date": f"{child.enrolled}", "guardian_name": child.guardian,
        "guardian_relation": rng.choice("1112223"),
        "assent": "1" if child.age >= ADULT_ASSENT else "", "consent_complete": "2",
    }  # fmt: skip
    if child.sick:
        cells |= _stay(child) | _oxygen(child)
        cells |= {"prog_date": f"{child.discharged:%Y-%m-%d}", "prognosis": _prognosis(child),
                  "prognosis_complete": "2"}  # fmt: skip
    if child.withdrawn:
        cells |= {"wd_date": f"{child.withdrawn}", "wd_reason": rng.choice("12"),
                  "withdrawal_complete": "2"}  # fmt: skip
    return cells


def _screened(child: Child) -> dt.date:
    """The day of admission; healthy children are looked at some days before."""
    if child.admitted:
        return child.admitted.date()
    return child.enrolled - dt.timedelta(days=1 + child.number % 5)


def _stay(child: Child) -> Cells:
    rng = child.rng
    second = {"1": "2", "2": "1", "4": "14"}.get(child.diagnosis, "") if rng.random() < 0.5 else ""
    return {
        "hosp_no": f"ZY{child.admitted:%y%m%d}{child.number:05d}",
        "adm_time": moment(child.admitted), "dis_time": moment(child.discharged),
        "dx_main": child.diagnosis, "dx_second": second, "dx_severity": str(child.severity),
        "illness_days": str(rng.randrange(1, 15)),
        "disposition": rng.choices("123", (18, 1, 1))[0], "hospital_stay_complete": "2",
    }  # fmt: skip


def _oxygen(child: Child) -> Cells:
    on = [day for day in child.days if day.support != "0"]
    litres = sum(day.flow * 60 * 24 for day in on)
    return {
        "ox_from": f"{child.enrolled}", "ox_to": f"{child.enrolled + dt.timedelta(days=7)}",
        "ox_volume": f"{litres:.0f}", "ox_hours": f"{24 * len(on)}", "ox_weaned": "1",
        "oxygen_outcome_complete": "2",
    }  # fmt: skip


def _prognosis(child: Child) -> str:
    return child.rng.choices("123", (5, 4, 1) if child.severity < 3 else (3, 5, 2))[0]


def daily_course(child: Child) -> Iterator[Cells]:
    """Vital signs and oxygen of each day; a healthy child is measured once."""
    if not child.sick:
        rng = child.rng
        time = dt.datetime.combine(child.enrolled, dt.time(9, rng.randrange(60)))
        yield {"day_time": moment(time), "hr": str(round(max(75, 118 - 4 * child.age))),
               "rr": str(round(max(16, 30 - child.age))), "temp": f"{rng.uniform(36.3, 37.0):.1f}",
               "spo2": str(rng.randrange(97, 101)), "sbp": str(round(90 + 2 * child.age)),
               "dbp": str(round(56 + child.age))}  # fmt: skip
    for day in child.days:
        cells = {"day_time": moment(day.time), "hr": str(day.hr), "rr": str(day.rr),
                 "temp": f"{day.temp}", "spo2": str(day.spo2), "support_now": day.support}  # fmt: skip
        if day.support != "0":
            cells |= {"fio2": str(day.fio2), "o2_flow": f"{day.flow}",
                      "day_support": _period_at(child, day.time)}  # fmt: skip
        if day.support in VENTILATED:
            cells["peep"] = str(4 + child.severity)
        if day.time.minute == UNMEASURED:
            cells["temp"] = NOT_DONE
        if day.pressure:
            cells |= {"sbp": str(day.pressure[0]), "dbp": str(day.pressure[1])}
        yield cells


def _period_at(child: Child, time: dt.datetime) -> str:
    """The number of the period of support that a moment lies in."""
    for number, (_, start, end) in enumerate(supports(child), start=1):
        if start <= time < end:
            return str(number)
    return ""


def respiratory_support(child: Child) -> Iterator[Cells]:
    """Periods of support."""
    for code, start, end in supports(child):
        yield {"rs_mode": code, "rs_start": moment(start), "rs_end": moment(end)}


def lung_function(child: Child) -> Iterator[Cells]:
    """Before and after the exosomes; once in healthy children; tidal breathing under five."""
    start = dt.datetime.combine(child.enrolled, dt.time(14, child.rng.randrange(60)))
    fitness = 1 - 0.11 * child.severity + child.rng.uniform(-0.06, 0.06)
    visits = [("3", start, fitness)]
    if child.sick:
        after = start + dt.timedelta(days=child.rng.randrange(8, 14))
        visits = [("1", start, fitness), ("2", after, min(1.05, fitness + 0.14))]
    for phase, time, share in visits:
        cells = {"lf_time": moment(time), "lf_phase": phase}
        if child.age >= 5:
            yield cells | spirometry(child, share)
        else:
            asleep = child.age >= TOO_YOUNG or phase == "2"
            yield cells | {"tptef_te": f"{34 * share:.1f}" if asleep else NOT_DONE}


def medication(child: Child) -> Iterator[Cells]:
    """Antibiotics for infections, steroids and inhaled drugs for the others."""
    if not child.sick:
        return
    end = child.enrolled + dt.timedelta(days=len(child.days))
    weight = 8 + 2.4 * child.age
    if child.group == EXPERIMENTAL:
        chosen = [("1", 50 * weight, "1"), ("2", 10 * weight, "2")]
        if child.severity > 2:
            chosen[0] = ("3", 20 * weight, "1")
    else:
        chosen = [("4", 1.5 * weight, "1"), ("5", 1.0, "3")]
    for drug, dose, route in chosen[: child.rng.randrange(1, 3)]:
        yield {"med_drug": drug, "med_start": f"{child.enrolled}", "med_end": f"{end}",
               "med_dose": f"{min(dose, 3000):.1f}", "med_route": route}  # fmt: skip


def exosome_dose(child: Child) -> Iterator[Cells]:
    """Two doses, three in severer illness, in both groups of patients, on every other day."""
    if not child.sick:
        return
    rng = child.rng
    batch = BATCHES[min(3, (child.enrolled - dt.date(2023, 7, 1)).days // 182)]
    intravenous = child.severity > 1
    for dose in range(2 + (child.severity > 1)):
        day = child.enrolled + dt.timedelta(days=SECOND_DOSE * dose)
        time = dt.datetime.combine(day, dt.time(15, rng.randrange(60)))
        cells = {"exo_batch": batch, "exo_time": moment(time),
                 "exo_dose": f"{0.5 * (8 + 2.4 * child.age):.1f}",
                 "exo_route": "1" if intravenous else "3"}  # fmt: skip
        if intravenous:
            cells["exo_rate"] = str(rng.choice((10, 15, 20)))
        yield cells


def sequencing(child: Child) -> Iterator[Cells]:
    """Targeted sequencing of sputum or lavage; pathogens in infections."""
    if not child.sick:
        return
    rng = child.rng
    cells = {"seq_sample": airway_sample(child),
             "seq_date": f"{child.enrolled + dt.timedelta(days=3)}",
             "seq_file": f"tngs-{child.enrolled:%y%m%d}-{7919 * child.number % 10007}.fastq.gz"}  # fmt: skip
    if child.group == EXPERIMENTAL:
        first, second = rng.sample("1234567", 2)
        cells |= {"seq_target1": first, "seq_reads1": str(rng.randrange(200, 90_000))}
        if rng.random() < 0.4:
            cells |= {"seq_target2": second, "seq_reads2": str(rng.randrange(20, 900))}
    yield cells


def airway_sample(child: Child) -> str:
    """The number of the child's sputum or, in severe illness, lavage sample."""
    kind = "B" if child.severity > 2 else "P"
    return f"CQ{child.record}-{kind}1"


def safety_questionnaire(child: Child) -> Iterator[Cells]:
    """A month and, in patients, a year after enrolment, until a withdrawal."""
    rng = child.rng
    for days in (30, 365) if child.sick else (30,):
        date = child.enrolled + dt.timedelta(days=days)
        if child.withdrawn and date > child.withdrawn:
            return
        fever = rng.random() < 0.15
        cells = {"sq_date": f"{date}", "sq_fever": str(int(fever)), "sq_cough": rng.choice("0001"),
                 "sq_missed": str(rng.randrange(0, 9)),
                 "sq_note": f"{child.guardian} says the child sleeps well"}  # fmt: skip
        if fever:
            cells |= {"sq_temp": f"{rng.uniform(37.8, 39.6):.1f}",
                      "sq_seen": f"{date - dt.timedelta(days=rng.randrange(1, 9))}"}  # fmt: skip
        yield cells


def adverse_event(child: Child) -> Iterator[Cells]:
    """Mostly mild events within a year of the first dose."""
    rng = child.rng
    if child.group == HEALTHY:
        return
    for _ in range(rng.choices((0, 1, 2), (45, 40, 15))[0]):
        days = rng.choice((0, 1, 2, 5, 9, 40, 120, 300))
        onset = child.enrolled + dt.timedelta(days=days)
        if child.withdrawn and onset > child.withdrawn:
            continue
        grade = rng.choices("123", (70, 24, 6))[0]
        serious = grade == "3"
        cells = {
            "ae_term": rng.choice("12345678" if serious else "1234567"), "ae_onset": f"{onset}",
            "ae_end": f"{onset + dt.timedelta(days=rng.randrange(1, 6))}", "ae_severity": grade,
            "ae_grade": grade, "ae_serious": str(int(serious)), "ae_causality": rng.choice("1123"),
            "ae_outcome": "1", "ae_expected": rng.choice("01"),
            "ae_dose_no": min(rng.choice("12"), "2" if days >= SECOND_DOSE else "1"),
        }  # fmt: skip
        for code in "1234":
            cells[f"ae_criteria___{code}"] = "1" if serious and code == "3" else "0"
        yield cells


FORMS = {
    "daily_course": daily_course,
    "respiratory_support": respiratory_support,
    "lung_function": lung_function,
    "medication": medication,
    "exosome_dose": exosome_dose,
    "sequencing": sequencing,
    "safety_questionnaire": safety_questionnaire,
    "adverse_event": adverse_event,
}
