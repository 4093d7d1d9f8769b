"""For people: issues under their file, the worst in red, control characters made harmless."""

from __future__ import annotations

import re

import click

from adapter.validation.issues import Issue
from adapter.validation.output import Write
from adapter.validation.run import Checked

COLOURS = {"fatal": "red", "error": "red", "warning": "yellow", "information": "cyan"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Output:
    """Writes a heading for each file that has issues, and a line for each issue."""

    def __init__(self, write: Write, *, colour: bool = False):
        self._write = write
        self._colour = colour
        self._file: str | None = None

    def add(self, checked: Checked) -> None:
        """The issues of one resource."""
        if checked.issues and checked.file != self._file:
            gap = "" if self._file is None else "\n"
            self._file = checked.file
            self._write(gap + self._styled(harmless(checked.file), bold=True) + "\n")
        for issue in checked.issues:
            self._write(self._line(issue) + "\n")

    def close(self) -> None:
        """The summary is the command's."""

    def _line(self, issue: Issue) -> str:
        severity = self._styled(f"{issue.severity:<11}", fg=COLOURS.get(issue.severity))
        message = harmless(" ".join(issue.message.split()))
        name = issue.constraint or issue.messageId
        code = self._styled(f"  [{harmless(name)}]", dim=True) if name else ""
        path = self._styled(harmless(issue.path), bold=True) if issue.path else ""
        return f"{issue.line or 0:>6}  {severity} {path}{': ' if path else ''}{message}{code}"

    def _styled(
        self, text: str, fg: str | None = None, *, bold: bool = False, dim: bool = False
    ) -> str:
        if not self._colour:
            return text
        return click.style(text, fg=fg, bold=bold or None, dim=dim or None)


def harmless(text: str) -> str:
    """A file's own text must not command the terminal, nor turn the line around."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text)
