"""Where HL7's validator and ours differ, resource by resource."""

from __future__ import annotations

import json

from adapter.validation.issues import Issue
from adapter.validation.official import Comparison
from adapter.validation.output import Write
from adapter.validation.output.text import harmless

FORMATS = ("text", "json")


def write_text(found: Comparison, write: Write) -> None:
    """A heading for the resource, and what only one of the two reports."""
    ours = found.ours
    name = "/".join(part for part in (ours.resourceType, ours.id) if part)
    verdict = "" if found.same_verdict else _verdicts(found)
    write(harmless(f"{ours.file}:{ours.line} {name}{verdict}") + "\n")
    for who, issues in (("only HL7", found.only_theirs), ("only ours", found.only_ours)):
        for issue in issues:
            write(harmless(f"  {who}: {issue.path}: {' '.join(issue.message.split())}") + "\n")


def write_json(found: Comparison, write: Write) -> None:
    """One object, on one line."""
    ours = found.ours
    entry = {
        "file": ours.file,
        "line": ours.line,
        "resourceType": ours.resourceType,
        "id": ours.id,
        "sameVerdict": found.same_verdict,
        "onlyOfficial": _json(found.only_theirs),
        "onlyOurs": _json(found.only_ours),
    }
    write(json.dumps(entry, ensure_ascii=False) + "\n")


def _verdicts(found: Comparison) -> str:
    return ": bad for HL7, good for us" if found.theirs else ": good for HL7, bad for us"


def _json(issues: list[Issue]) -> list[dict[str, str | None]]:
    return [
        {"path": issue.path, "message": issue.message, "messageId": issue.messageId}
        for issue in issues
    ]
