"""Every row of the fault matrix names a test that exists, or says why there is none."""

from __future__ import annotations

import re
from pathlib import Path

from tests.faults.scenarios import MATRIX

ROOT = Path(__file__).parents[2]
LINES = [
    line.strip("| ").split(" | ")
    for line in (ROOT / "docs/faults.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [TSCPWFD]\d\d ", line)
]
SCENARIOS = {each.row for each in MATRIX}


def named(file: str, test: str) -> bool:
    if file.endswith("scenarios.py"):
        return test in SCENARIOS
    return f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")


def test_all_rows_are_there() -> None:
    rows = [line[0] for line in LINES]
    assert len(rows) == len(set(rows)) == 106


def test_every_named_test_exists() -> None:
    missing = [
        (row, file, test)
        for row, _, cell in LINES
        for file, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", cell)
        if not named(file, test)
    ]
    assert missing == []


def test_a_row_without_a_test_says_why() -> None:
    bare = [row for row, _, cell in LINES if "::" not in cell and not cell.startswith("not tested")]
    assert bare == []


def test_every_scenario_has_its_row() -> None:
    assert SCENARIOS - {line[0] for line in LINES} == {"quirks"}
