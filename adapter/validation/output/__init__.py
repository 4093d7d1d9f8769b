"""What a validation run writes: text for people, and four formats for programs.

A writer takes verdicts one at a time, so that a run over millions of resources stays small.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Protocol

from adapter.validation.run import Checked

FORMATS = {
    "text": "text",
    "json": "json_lines",
    "sarif": "sarif",
    "junit": "junit",
    "outcome": "outcome",
}

Write = Callable[[str], object]


class Writer(Protocol):
    """Takes verdicts as they come."""

    def add(self, checked: Checked) -> None:
        """One resource's verdict."""

    def close(self) -> None:
        """Nothing more comes."""


def writer(form: str, write: Write, *, colour: bool = False) -> Writer:
    """The writer of a format of ``FORMATS``."""
    module = importlib.import_module(f"{__name__}.{FORMATS[form]}")
    made: Writer = module.Output(write, colour=colour)
    return made
