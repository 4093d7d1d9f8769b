"""Every warning about the reference study, with its reason: ``expected_warnings.csv``."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from profile_examples import resources

from adapter.fhir.json import dumps
from adapter.validation import Validator

OF_EACH = 500
Warned = tuple[str, str]  # element without indices, message id


@cache
def expected() -> tuple[dict[str, str], ...]:
    """The rows of the table."""
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as text:
        return tuple(csv.DictReader(text))


@cache
def warnings(release: str) -> frozenset[Warned]:
    """What our validator warns of in the study, or worse: some of each profile stand for all."""
    return frozenset(_warnings(release))


def explains(row: dict[str, str], warned: Warned) -> bool:
    """Whether a row of the table is about a warning."""
    return row["message"] == warned[1] and fnmatchcase(warned[0], row["element"])


def warning_table() -> str:
    """The rows as a table of a page."""
    lines = ["| element | message | why it stays |", "| --- " * 3 + "|"]
    lines += [f"| `{r['element']}` | `{r['message'] or '-'}` | {r['why']} |" for r in expected()]
    return "\n".join(lines)


def _warnings(release: str) -> Iterator[Warned]:
    validator, seen = Validator(release), Counter[str]()
    for resource in resources(release):
        (profile,) = resource["meta"]["profile"]
        seen[profile] += 1
        if seen[profile] > OF_EACH:
            continue
        for issue in validator.validate(dumps(resource)):
            if issue.severity != "information":
                yield re.sub(r"\[\d+\]", "", issue.path), issue.messageId or ""
