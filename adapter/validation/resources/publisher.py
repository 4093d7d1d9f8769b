"""Publisher: HL7's canonical resources name a work group, and it is their publisher."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from adapter.validation.issues import Issue
from adapter.validation.resources.common import Json, error, extension_value, extensions, text

WORK_GROUP = "http://hl7.org/fhir/StructureDefinition/structuredefinition-wg"
TABLE = Path(__file__).parents[1] / "data" / "work_groups.csv"


def check_publisher(resource: Json) -> list[Issue]:
    """Errors of the work group and the publisher of a canonical resource under HL7's URL."""
    stated = extensions(resource, WORK_GROUP)
    if not stated:
        return []
    issues = []
    if len(stated) > 1:
        message = "more than one work group is named"
        issues.append(error("", message, "VALIDATION_HL7_PUBLISHER_MULTIPLE_WGS"))
    code = extension_value(stated[0])
    if not isinstance(code, str):
        return issues
    names = work_groups().get(code)
    if names is None:
        message = f"{code} is not a work group of HL7"
        return [*issues, error("", message, "VALIDATION_HL7_WG_UNKNOWN")]
    publisher = text(resource, "publisher")
    expected = [f"HL7 International / {name}" for name in names]
    if publisher is None or "/" not in publisher or publisher in expected:
        return issues
    message = f"the publisher of the work group {code} is {' or '.join(expected)}"
    name = "VALIDATION_HL7_PUBLISHER_MISMATCH"
    return [*issues, error("", message, name + "2" if len(names) > 1 else name)]


@cache
def work_groups() -> dict[str, list[str]]:
    """The names of HL7's work groups by their code, the present one first."""
    with TABLE.open(newline="", encoding="utf-8") as lines:
        return {
            row["code"]: [name for name in (row["name"], row["former_name"]) if name]
            for row in csv.DictReader(lines)
        }
