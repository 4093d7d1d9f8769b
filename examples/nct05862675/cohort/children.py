"""The children: who they are, and what a plausible course of their illness looks like.

Everything is invented. Severity drives the course: a sick child's need for oxygen, its pulse,
breathing and CRP fall as it recovers; reference values follow age.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field

EXPERIMENTAL, NON_INFECTIOUS, HEALTHY = "1", "2", "3"
GROUPS = {EXPERIMENTAL: 110, NON_INFECTIOUS: 90, HEALTHY: 100}
WITHDRAWN = 6
RECRUITMENT = (dt.date(2023, 7, 3), 725)  # first day, days

INFECTIOUS_DIAGNOSES = ("1", "2", "3", "4", "5", "6")
OTHER_DIAGNOSES = ("11", "12", "13", "14", "15")
SURNAMES = (
    "Bai Cao Deng Fan Gao He Jiang Kong Lei Ma Ning Peng Qian Ren Su Tan Wei Xu Yin Zou".split()
)
GIVEN = "Anqi Bowen Chenxi Dandan Enze Fei Guoliang Haoran Jiayi Kexin Lele Mingze Ningning Ruoxi".split()


@dataclass(slots=True)
class Day:
    """One day in hospital, measured in the morning."""

    time: dt.datetime
    hr: int
    rr: int
    temp: float
    spo2: int
    support: str  # code of SUPPORT
    fio2: int
    flow: float
    pressure: tuple[int, int] | None = None


@dataclass(slots=True)
class Child:
    """One invented child."""

    number: int
    group: str
    rng: random.Random
    name: str = ""
    guardian: str = ""
    born: dt.date = dt.date.min
    enrolled: dt.date = dt.date.min
    sex: str = "1"
    age: float = 0
    severity: int = 0  # 0 healthy, 1 mild .. 3 severe
    admitted: dt.datetime | None = None
    discharged: dt.datetime | None = None
    diagnosis: str = ""
    days: list[Day] = field(default_factory=list)
    withdrawn: dt.date | None = None

    @property
    def record(self) -> str:
        """The record number."""
        return f"{self.number:04d}"

    @property
    def sick(self) -> bool:
        """True for the two groups of patients."""
        return self.group != HEALTHY


def make_children(seed: int) -> list[Child]:
    """Three hundred children in the study's three groups, in the order of their enrolment."""
    rng = random.Random(seed)
    groups = [group for group, size in GROUPS.items() for _ in range(size)]
    rng.shuffle(groups)
    first, span = RECRUITMENT
    starts = sorted(first + dt.timedelta(days=rng.randrange(span)) for _ in groups)
    children = [
        _child(number, group, start, random.Random(f"{seed}/{number}"))
        for number, (group, start) in enumerate(zip(groups, starts, strict=True), start=1)
    ]
    sick = [child for child in children if child.sick]
    for child in rng.sample(sick, WITHDRAWN):
        child.withdrawn = child.enrolled + dt.timedelta(days=rng.randrange(20, 60))
    return children


def _child(number: int, group: str, enrolled: dt.date, rng: random.Random) -> Child:
    child = Child(number, group, rng)
    surname = rng.choice(SURNAMES)
    child.name = f"{surname} {rng.choice(GIVEN)}"
    child.guardian = (
        f"{surname if rng.random() < 0.5 else rng.choice(SURNAMES)} {rng.choice(GIVEN)}"
    )
    child.sex = rng.choice("12")
    days_old = rng.randrange(380, 5400)
    child.enrolled, child.born = enrolled, enrolled - dt.timedelta(days=days_old)
    child.age = round(days_old / 365.25, 2)
    if child.sick:
        _illness(child)
    return child


def _illness(child: Child) -> None:
    rng = child.rng
    child.severity = rng.choices((1, 2, 3), (3, 5, 2))[0]
    infectious = child.group == EXPERIMENTAL
    child.diagnosis = rng.choice(INFECTIOUS_DIAGNOSES if infectious else OTHER_DIAGNOSES)
    if child.diagnosis == "3":
        child.severity = 3
    start = dt.datetime.combine(child.enrolled, dt.time(rng.randrange(8, 20), rng.randrange(60)))
    # the twelve hours put every admission before the first morning round at eight
    child.admitted = start - dt.timedelta(hours=12 + rng.randrange(4, 30))
    length = 2 + round(1.6 * child.severity) + rng.randrange(0, 2)
    stay = dt.datetime.combine(start.date() + dt.timedelta(days=length), dt.time(10, 30))
    child.discharged = stay
    child.days = [_day(child, start.date(), n, length) for n in range(length - 1)]


def _day(child: Child, start: dt.date, number: int, length: int) -> Day:
    """The need falls from admission to discharge: 1 on the first day, 0 on the last."""
    rng, severity = child.rng, child.severity
    need = max(0.0, 1 - number / max(1, length - 2))
    calm_hr, calm_rr = _calm(child.age)
    support, fio2, flow = _support(severity, need)
    return Day(
        time=dt.datetime.combine(start + dt.timedelta(days=number), dt.time(8, rng.randrange(60))),
        hr=round(calm_hr + need * severity * 12 + rng.randrange(-6, 7)),
        rr=round(calm_rr + need * severity * 5 + rng.randrange(-2, 3)),
        temp=round(
            36.6 + need * (1.9 if child.group == EXPERIMENTAL else 0.5) + rng.uniform(-0.2, 0.3), 1
        ),
        spo2=min(100, round(98 - need * severity * 1.6 + rng.randrange(-1, 2))),
        support=support,
        fio2=fio2,
        flow=flow,
        pressure=_pressure(child) if number == 0 else None,
    )


def _calm(age: float) -> tuple[float, float]:
    """Heart and breathing rate of a calm child of this age, per minute."""
    return max(78, 125 - 4.2 * age), max(17, 33 - 1.4 * age)


def _pressure(child: Child) -> tuple[int, int]:
    systolic = round(88 + 2 * child.age + child.rng.randrange(-6, 9))
    return systolic, round(systolic * 0.62)


def _support(severity: int, need: float) -> tuple[str, int, float]:
    """Support code, FiO2 in percent and flow in L/min for this severity and need."""
    level = severity * need
    steps = ((2.4, "5", 60, 20.0), (1.8, "4", 50, 12.0), (1.2, "3", 40, 10.0),
             (0.8, "2", 35, 5.0), (0.35, "1", 28, 2.0))  # fmt: skip
    for least, code, fio2, flow in steps:
        if level >= least:
            return code, fio2, flow
    return "0", 21, 0.0


def supports(child: Child) -> list[tuple[str, dt.datetime, dt.datetime]]:
    """Periods of one kind of support: code, from, to."""
    periods: list[tuple[str, dt.datetime, dt.datetime]] = []
    for day in child.days:
        end = day.time + dt.timedelta(days=1)
        if periods and periods[-1][0] == day.support:
            periods[-1] = (day.support, periods[-1][1], end)
        else:
            periods.append((day.support, day.time, end))
    return [period for period in periods if period[0] != "0"]


def spirometry(child: Child, fitness: float) -> dict[str, str]:
    """Lung function in litres, from height for age; ``fitness`` 1 is the predicted value."""
    height = 76 + 6.4 * child.age
    fvc = max(0.6, (height / 100) ** 3 * 0.62)
    fev1 = fvc * 0.88
    percent = 100 * fitness
    return {
        "fev1": f"{fev1 * fitness:.2f}", "fev1_pct": f"{percent:.1f}",
        "fev1_z": f"{(fitness - 1) * 8:.2f}", "fvc": f"{fvc * (fitness + 0.03):.2f}",
        "fvc_pct": f"{percent + 3:.1f}", "fvc_z": f"{(fitness - 0.97) * 8:.2f}",
        "fev1_fvc": f"{88 * fitness / (fitness + 0.03):.1f}", "pef": f"{fev1 * 2.1 * fitness:.2f}",
        "mmef": f"{fev1 * 1.05 * fitness:.2f}",
    }  # fmt: skip
