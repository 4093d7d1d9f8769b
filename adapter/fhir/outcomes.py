"""What an OperationOutcome says of a refusal: codes and places, and, apart from them, words.

A server's words may hold values, so they are kept apart and shown only on request.
https://hl7.org/fhir/R4/operationoutcome.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

MOST_ISSUES = 20
MOST_WORDS = 10_000  # characters, of all issues together
MOST_PLACES = 5  # of one issue
SEVERITIES = ("fatal", "error", "warning", "information", "success")
# a path, or HAPI's Line[1] Col[25]: nothing in it that could be a value in quotes
_PLACE = re.compile(r"[A-Za-z][\w.\[\]():/*$-]{0,198}|Line\[\d+\],? Col\[\d+\]")
_CODE = re.compile(r"[A-Za-z][\w.-]{0,79}")
_SYSTEM = re.compile(r"(https?://|urn:)[\w.:/-]{1,190}")
_PROFILE_UNKNOWN = re.compile(
    r"unknown[ _]profile|profile[ _]unknown|meta\.profile"
    r"|profile reference .{0,300}(not been checked|not be (found|resolved)|unknown)"
    r"|(resolve|find|load|fetch) (the )?(profile|structure ?definition)"
    r"|profile.{0,300} (is )?(not (known|found|supported|registered)|unknown)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Said:
    """The issues of a refusal: ``issues`` without words, ``words`` of the same issues, in order.

    ``count`` is how many there were; only the first 20 are kept.
    """

    count: int
    issues: tuple[dict[str, Any], ...]
    words: tuple[dict[str, str], ...]
    is_unknown_profile: bool = False


def said_of(outcome: Any) -> Said | None:
    """What an OperationOutcome says; None for what is none."""
    found = outcome.get("issue") if isinstance(outcome, dict) else None
    every = [issue for issue in found if isinstance(issue, dict)] if isinstance(found, list) else []
    if not every:
        return None
    kept = every[:MOST_ISSUES]
    return Said(
        len(every),
        tuple(_bare(issue) for issue in kept),
        tuple(_worded(kept)),
        any(_is_unknown_profile(issue) for issue in kept),
    )


def _bare(issue: dict[str, Any]) -> dict[str, Any]:
    """Severity, code, places and details.coding, each only where it looks like one."""
    bare: dict[str, Any] = {}
    if issue.get("severity") in SEVERITIES:
        bare["severity"] = issue["severity"]
    if code := _matching(_CODE, issue.get("code")):
        bare["code"] = code
    for name in ("expression", "location"):
        stated = issue.get(name)
        places = [_matching(_PLACE, one) for one in stated] if isinstance(stated, list) else []
        if any(places):
            bare[name] = [place for place in places if place][:MOST_PLACES]
    if codings := [each for each in map(_coding, _codings(issue)) if each]:
        bare["details"] = {"coding": codings[:MOST_PLACES]}
    return bare


def _codings(issue: dict[str, Any]) -> list[Any]:
    details = issue.get("details")
    stated = details.get("coding") if isinstance(details, dict) else None
    return stated if isinstance(stated, list) else []


def _coding(stated: Any) -> dict[str, str]:
    if not isinstance(stated, dict):
        return {}
    found = {
        "system": _matching(_SYSTEM, stated.get("system")),
        "code": _matching(_CODE, stated.get("code")),
    }
    return {name: text for name, text in found.items() if text} if found["code"] else {}


def _matching(pattern: re.Pattern[str], text: Any) -> str | None:
    return text if isinstance(text, str) and text.isascii() and pattern.fullmatch(text) else None


def _words(issue: dict[str, Any]) -> dict[str, str]:
    details = issue.get("details")
    text = details.get("text") if isinstance(details, dict) else None
    stated = {"diagnostics": issue.get("diagnostics"), "text": text}
    return {name: said for name, said in stated.items() if isinstance(said, str) and said}


def _worded(issues: list[dict[str, Any]]) -> list[dict[str, str]]:
    left = MOST_WORDS
    found = []
    for issue in issues:
        kept = {}
        for name, text in _words(issue).items():
            if left > 0:
                kept[name] = text[:left]
                left -= len(text)
        found.append(kept)
    return found


def _is_unknown_profile(issue: dict[str, Any]) -> bool:
    if issue.get("severity") in ("warning", "information", "success"):
        return False
    codes = (each.get("code") for each in _codings(issue) if isinstance(each, dict))
    texts = [*_words(issue).values(), *(code for code in codes if isinstance(code, str))]
    return any(_PROFILE_UNKNOWN.search(text[:MOST_WORDS]) for text in texts)
