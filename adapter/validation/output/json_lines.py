"""One JSON object an issue, one a line: the shape of docs/interface.md."""

from __future__ import annotations

import orjson

from adapter.validation.output import Write
from adapter.validation.run import Checked


class Output:
    """Writes ``Issue.to_json`` as JSON lines."""

    def __init__(self, write: Write, *, colour: bool = False):  # noqa: ARG002
        self._write = write

    def add(self, checked: Checked) -> None:
        """A line for each issue."""
        for issue in checked.issues:
            self._write(orjson.dumps(issue.to_json()).decode() + "\n")

    def close(self) -> None:
        """A file of lines needs no end."""
