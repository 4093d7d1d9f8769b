"""One OperationOutcome for the whole run.  https://hl7.org/fhir/R4/operationoutcome.html"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from adapter.validation.issues import Issue
from adapter.validation.output import Write
from adapter.validation.run import Checked

MESSAGE_IDS = "http://hl7.org/fhir/java-core-messageId"  # as HL7's and HAPI's validators name it
NO_ISSUES: dict[str, Any] = {
    "severity": "information",
    "code": "informational",
    "details": {"text": "No issues were found"},
}


class Output:
    """Writes the issues as they come; an outcome needs at least one."""

    def __init__(self, write: Write, *, colour: bool = False):  # noqa: ARG002
        self._write = write
        self._separator = ""
        write('{"resourceType": "OperationOutcome", "issue": [')

    def add(self, checked: Checked) -> None:
        """The issues of one resource."""
        for issue in checked.issues:
            text = json.dumps(issue_json(issue), ensure_ascii=False)
            self._write(f"{self._separator}\n{text}")
            self._separator = ","

    def close(self) -> None:
        """The end."""
        if not self._separator:
            self._write("\n" + json.dumps(NO_ISSUES))
        self._write("\n]}\n")


def outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """The issues of a resource as an OperationOutcome."""
    found = [issue_json(issue) for issue in issues]
    return {"resourceType": "OperationOutcome", "issue": found or [NO_ISSUES]}


def issue_json(issue: Issue) -> dict[str, Any]:
    """An issue as ``OperationOutcome.issue``."""
    details: dict[str, Any] = {"text": issue.message or issue.code}
    if issue.messageId:
        details = {"coding": [{"system": MESSAGE_IDS, "code": issue.messageId}], **details}
    found: dict[str, Any] = {"severity": issue.severity, "code": issue.code, "details": details}
    if issue.file:
        found["diagnostics"] = f"{issue.file}:{issue.line}" if issue.line else issue.file
    elif issue.line:
        found["diagnostics"] = f"line {issue.line}"
    if issue.path:
        found["expression"] = [issue.path]
    return found
