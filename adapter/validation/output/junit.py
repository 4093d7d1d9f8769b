"""JUnit's XML, which every build server shows: a suite a file, a test case a resource.

https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd
"""

from __future__ import annotations

import re
from tempfile import SpooledTemporaryFile
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from adapter.validation.issues import Issue
from adapter.validation.output import Write
from adapter.validation.run import ERRORS, Checked

IN_MEMORY = 1_000_000  # bytes; a longer suite waits on disk for its counts
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Output:
    """Writes a suite when its file is done, as the counts stand before the cases."""

    def __init__(self, write: Write, *, colour: bool = False):  # noqa: ARG002
        self._write = write
        self._file: str | None = None
        self._suite: IO[str] | None = None
        self._tests = self._failures = 0
        write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="study-fhir validate">\n')

    def add(self, checked: Checked) -> None:
        """A test case."""
        if self._suite is None or checked.file != self._file:
            self._end_suite()
            self._file = checked.file
            self._suite = _waiting()
        self._tests += 1
        self._failures += checked.failed
        self._suite.write(_case(checked))

    def close(self) -> None:
        """The last suite, and the end."""
        self._end_suite()
        self._write("</testsuites>\n")

    def _end_suite(self) -> None:
        if self._suite is None:
            return
        counts = f'tests="{self._tests}" failures="{self._failures}" errors="0"'
        self._write(f"<testsuite name={_quoted(self._file or '')} {counts}>\n")
        self._suite.seek(0)
        while part := self._suite.read(IN_MEMORY):
            self._write(part)
        self._write("</testsuite>\n")
        self._suite.close()
        self._suite = None
        self._tests = self._failures = 0


def _waiting() -> IO[str]:
    return SpooledTemporaryFile(IN_MEMORY, mode="w+", encoding="utf-8", newline="")


def _case(checked: Checked) -> str:
    name = "/".join(part for part in (checked.resourceType, checked.id) if part)
    name = f"{name or 'resource'} (line {checked.line})"
    start = f"<testcase classname={_quoted(checked.file)} name={_quoted(name)}"
    errors = [issue for issue in checked.issues if issue.severity in ERRORS]
    others = [issue for issue in checked.issues if issue.severity not in ERRORS]
    inside = ""
    if errors:
        kind = errors[0].messageId or errors[0].code
        first = f"message={_quoted(errors[0].message)} type={_quoted(kind)}"
        inside += f"<failure {first}>{_lines(errors)}</failure>"
    if others:
        inside += f"<system-out>{_lines(others)}</system-out>"
    return f"{start}>{inside}</testcase>\n" if inside else f"{start}/>\n"


def _lines(issues: list[Issue]) -> str:
    text = "\n".join(f"{i.file}:{i.line}: {i.severity}: {i.path}: {i.message}" for i in issues)
    return escape(_ILLEGAL.sub("\ufffd", text))


def _quoted(text: str) -> str:
    return quoteattr(_ILLEGAL.sub("\ufffd", text))
