"""The resources of each subject, read for display: what happened, and when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapter.mapped import Mapped

LOINC = "http://loinc.org"
FIO2, SPO2, AGE = "3150-0", "2708-6", "30525-0"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something with a name, from ``start`` to ``end`` in days since enrolment."""

    label: str
    start: float
    end: float | None = None
    kind: str = ""


@dataclass(slots=True)
class SubjectView:
    """One subject as the report shows it; ``id`` is the pseudonym."""

    id: str
    arm: str
    status: str
    enrolled: str
    ended: str | None = None
    age: str = ""
    diagnoses: list[str] = field(default_factory=list)
    lanes: dict[str, list[Happening]] = field(default_factory=dict)
    oxygen: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    resources: list[Mapped] = field(default_factory=list)

    def add(self, lane: str, happening: Happening) -> None:
        """Put something into a lane of the timeline."""
        self.lanes.setdefault(lane, []).append(happening)


def subject_views(mapped: Sequence[Mapped]) -> list[SubjectView]:
    """Every subject in the order of enrolment."""
    partitions: dict[str, list[Mapped]] = {}
    for each in mapped:
        if each.subject:
            partitions.setdefault(each.subject, []).append(each)
    views = [view for each in partitions.values() if (view := _view(each)) is not None]
    return sorted(views, key=lambda view: (view.enrolled, view.id))


def _view(partition: Sequence[Mapped]) -> SubjectView | None:
    subject = next(
        (m.resource for m in partition if m.resource["resourceType"] == "ResearchSubject"), None
    )
    if subject is None:
        return None
    period = subject.get("period", {})
    view = SubjectView(
        id=subject["individual"]["reference"].partition("/")[2],
        arm=subject.get("actualArm") or subject.get("assignedArm") or "",
        status=subject["status"],
        enrolled=period.get("start", ""),
        ended=period.get("end"),
        resources=list(partition),
    )
    for each in partition:
        reader = READERS.get(each.resource["resourceType"])
        if reader is not None:
            reader(view, each.resource)
    if view.ended:
        view.add("Study", Happening(view.status, days(view, view.ended) or 0, kind="end"))
    return view


def days(view: SubjectView, moment: str | None) -> float | None:
    """Days since enrolment of a FHIR date or date-time; None when it is not that precise."""
    if moment is None or len(moment) < 10 or len(view.enrolled) < 10:
        return None
    first = dt.datetime.fromisoformat(view.enrolled[:10])
    value = dt.datetime.fromisoformat(moment[:19])
    return (value - first).total_seconds() / 86_400


def text(concept: Mapping[str, Any] | None) -> str:
    """The words of a CodeableConcept."""
    if not concept:
        return ""
    codings = concept.get("coding") or [{}]
    return str(concept.get("text") or codings[0].get("display") or codings[0].get("code") or "")


def codes(concept: Mapping[str, Any]) -> set[str]:
    """The LOINC codes of a CodeableConcept."""
    return {c["code"] for c in concept.get("coding", ()) if c.get("system") == LOINC}


def _span(view: SubjectView, lane: str, label: str, period: Mapping[str, Any]) -> None:
    start = days(view, period.get("start"))
    if start is not None:
        view.add(lane, Happening(label, start, days(view, period.get("end"))))


def _tick(view: SubjectView, lane: str, label: str, moment: str | None, kind: str = "") -> None:
    at = days(view, moment)
    if at is not None:
        view.add(lane, Happening(label, at, kind=kind))


def _observation(view: SubjectView, it: dict[str, Any]) -> None:
    found, moment = codes(it["code"]), it.get("effectiveDateTime")
    value = it.get("valueQuantity", {}).get("value")
    at = days(view, moment)
    categories = {c["code"] for each in it.get("category", ()) for c in each.get("coding", ())}
    if AGE in found and value is not None:
        view.age = f"{value} {it['valueQuantity'].get('unit', '')}"
    elif at is not None and value is not None and found & {FIO2, SPO2}:
        view.oxygen.setdefault("FiO2" if FIO2 in found else "SpO2", []).append((at, float(value)))
    elif "laboratory" in categories and "MB" not in categories:
        _tick(view, "Laboratory", text(it["code"]), moment)
    elif "procedure" in categories:
        _tick(view, "Lung function", text(it["code"]), moment)


def _dose(view: SubjectView, it: dict[str, Any]) -> None:
    product = "medicationReference" in it
    label = "Investigational product" if product else text(it.get("medicationCodeableConcept"))
    lane = "Doses" if product else "Medication"
    if "effectivePeriod" in it:
        _span(view, lane, label, it["effectivePeriod"])
    else:
        _tick(view, lane, label, it.get("effectiveDateTime"))


def _specimen(view: SubjectView, it: dict[str, Any]) -> None:
    _tick(view, "Samples", text(it.get("type")), it.get("collection", {}).get("collectedDateTime"))


def _event(view: SubjectView, it: dict[str, Any]) -> None:
    severity = (it.get("severity") or {}).get("coding", [{}])[0].get("code", "")
    _tick(view, "Adverse events", text(it.get("event")), it.get("date"), severity)


READERS = {
    "Condition": lambda view, it: view.diagnoses.append(text(it.get("code"))),
    "Encounter": lambda view, it: _span(
        view, "Stay", it["class"].get("display", "stay"), it.get("period", {})
    ),
    "Procedure": lambda view, it: _span(
        view, "Support", text(it.get("code")), it.get("performedPeriod", {})
    ),
    "Observation": _observation,
    "MedicationAdministration": _dose,
    "Specimen": _specimen,
    "DiagnosticReport": lambda view, it: _tick(
        view, "Sequencing", text(it.get("code")), it.get("effectiveDateTime")
    ),
    "QuestionnaireResponse": lambda view, it: _tick(
        view, "Questionnaires", "Questionnaire", it.get("authored")
    ),
    "AdverseEvent": _event,
}


def one_of_each_arm(views: Iterable[SubjectView]) -> list[SubjectView]:
    """The first subject of each arm."""
    first: dict[str, SubjectView] = {}
    for view in views:
        first.setdefault(view.arm, view)
    return [first[arm] for arm in sorted(first)]
