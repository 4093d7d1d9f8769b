"""SARIF 2.1.0, which code hosts show beside the lines of a change.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from adapter.validation.issues import Issue
from adapter.validation.output import Write
from adapter.validation.run import Checked

LEVELS = {"fatal": "error", "error": "error", "warning": "warning", "information": "note"}
PROJECT = "study-fhir-adapter"
SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


class Output:
    """Writes one run; the rules follow the results, for only then they are known."""

    def __init__(self, write: Write, *, colour: bool = False):  # noqa: ARG002
        self._write = write
        self._rules: dict[str, int] = {}
        self._separator = ""
        head = {"$schema": SCHEMA, "version": "2.1.0"}
        self._write(json.dumps(head)[:-1] + ', "runs": [{"results": [')

    def add(self, checked: Checked) -> None:
        """A result for each issue."""
        for issue in checked.issues:
            text = json.dumps(self._result(issue), ensure_ascii=False)
            self._write(f"{self._separator}\n{text}")
            self._separator = ","

    def close(self) -> None:
        """The tool and its rules."""
        driver: dict[str, Any] = {
            "name": "study-fhir validate",
            "rules": [{"id": name} for name in self._rules],
        }
        if found := _version():
            driver["version"] = found
        rest = {"columnKind": "utf16CodeUnits", "tool": {"driver": driver}}
        self._write("\n], " + json.dumps(rest)[1:] + "]}\n")

    def _result(self, issue: Issue) -> dict[str, Any]:
        rule = issue.messageId or issue.constraint or issue.code
        number = self._rules.setdefault(rule, len(self._rules))
        physical: dict[str, Any] = {"artifactLocation": {"uri": uri(issue.file or "")}}
        if issue.line:
            physical["region"] = {"startLine": issue.line}
        location: dict[str, Any] = {"physicalLocation": physical}
        if issue.path:
            location["logicalLocations"] = [{"fullyQualifiedName": issue.path}]
        where = f"{issue.path}: " if issue.path else ""
        return {
            "ruleId": rule,
            "ruleIndex": number,
            "level": LEVELS[issue.severity],
            "message": {"text": where + issue.message},
            "locations": [location],
        }


def uri(file: str) -> str:
    """A file as a URI: relative to the working directory where it lies below it."""
    path = PurePath(file)
    if path.is_absolute():
        here = Path.cwd()
        if not path.is_relative_to(here):
            return path.as_uri()
        path = path.relative_to(here)
    return quote(path.as_posix(), errors="replace")


def _version() -> str | None:
    try:
        return version(PROJECT)
    except PackageNotFoundError:
        return None
