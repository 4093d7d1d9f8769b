"""Does every leaf of a registration appear in the FHIR that came of it? The rule, for tests.

Texts must appear whole (not as a part of another text, but for the few that are joined under a
label); enum words and true/false as codes of their own code system; numbers as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from adapter.sources.leaves import leaves, pattern_of

ENUMS = {
    "allocation": "DesignAllocation",
    "class": "AgencyClass",
    "designInfo.interventionModel": "InterventionalAssignment",
    "enrollmentInfo.type": "EnrollmentType",
    "armGroups.type": "ArmGroupType",
    "interventions.type": "InterventionType",
    "secondaryIdInfos.type": "SecondaryIdType",
    "responsibleParty.type": "ResponsiblePartyType",
    "infoTypes": "IpdSharingInfoType",
    "ipdSharing": "IpdSharing",
    "masking": "DesignMasking",
    "observationalModel": "ObservationalModel",
    "overallOfficials.role": "OfficialRole",
    "contacts.role": "ContactRole",
    "centralContacts.role": "ContactRole",
    "overallStatus": "Status",
    "lastKnownStatus": "Status",
    "locations.status": "Status",
    "phases": "Phase",
    "primaryPurpose": "PrimaryPurpose",
    "retention": "BioSpecRetention",
    "samplingMethod": "SamplingMethod",
    "sex": "Sex",
    "stdAges": "StandardAge",
    "studyType": "StudyType",
    "timePerspective": "DesignTimePerspective",
    "whoMasked": "WhoMasked",
}
CHARACTERISTICS = {"healthyVolunteers", "genderBased"}
JOINTS = ("\n\nTime frame: ", " ext. ")


class Carried:
    """What the resources hold: texts, codes by system, numbers, and dates that are known or not."""

    def __init__(self, resources: Iterable[dict[str, Any]]):
        self.texts: set[str] = set()
        self.numbers: set[Decimal] = set()
        self.codes: set[tuple[str, str]] = set()
        self.flags: set[tuple[str, bool]] = set()
        self.dated: set[tuple[str, bool]] = set()
        for resource in resources:
            self._read(resource)

    def _read(self, value: Any) -> None:
        if isinstance(value, dict):
            self._read_object(value)
            for item in value.values():
                self._read(item)
        elif isinstance(value, list):
            for item in value:
                self._read(item)
        elif isinstance(value, str):
            self.texts.update(_pieces(value))
        elif isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            self.numbers.add(Decimal(value))

    def _read_object(self, value: dict[str, Any]) -> None:
        if "system" in value and "code" in value:
            self.codes.add((value["system"].rpartition("/")[2], value["code"]))
        if "unit" in value and "value" in value:
            self.texts.add(f"{value['value']} {value['unit']}")
        if "valueBoolean" in value and "exclude" in value:
            self.flags.add((value["code"]["coding"][0]["code"], value["valueBoolean"]))
        parts = {p["url"]: p for p in value.get("extension", ()) if isinstance(p, dict)}
        if "actual" in parts and "period" in parts:
            for date in parts["period"]["valuePeriod"].values():
                self.dated.add((date, parts["actual"]["valueBoolean"]))
        if "state" in value and "actual" in value:
            self.dated.update((date, value["actual"]) for date in value["period"].values())


def _pieces(text: str) -> Iterator[str]:
    yield text
    yield text.rpartition("/")[2]
    yield text.partition(": ")[0]
    yield text.partition(": ")[2]
    yield from text.partition(": ")[2].split(", ")
    yield text.removeprefix("ext. ").removeprefix("Time frame: ")
    for joint in JOINTS:
        before, found, after = text.rpartition(joint)
        if found:
            yield before
            yield after


def missing(record: Any, resources: Iterable[dict[str, Any]], dropped: Iterable[str]) -> list[str]:
    """The paths of the leaves that neither appear nor are dropped."""
    carried = Carried(resources)
    all_leaves = dict(leaves(record))
    known = set(dropped)
    return [
        path
        for path, value in all_leaves.items()
        if path not in known and not _appears(path, value, all_leaves, carried)
    ]


def _appears(path: str, value: Any, record: dict[str, Any], carried: Carried) -> bool:
    pattern = pattern_of(path)
    key = pattern.rpartition(".")[2]
    if isinstance(value, bool):
        if key in CHARACTERISTICS:
            return (key, value) in carried.flags
        return (f"ctgov-{key}", str(value).lower()) in carried.codes
    if isinstance(value, (int, Decimal)):
        return Decimal(value) in carried.numbers or str(value) in carried.texts
    if re.search(r"DateStruct\.type$", pattern):
        date = record[path.removesuffix("type") + "date"]
        return (date, value == "ACTUAL") in carried.dated
    for ending, enum in ENUMS.items():
        if pattern.endswith("." + ending):
            return (f"ctgov-{enum}", value) in carried.codes
    return value in carried.texts
