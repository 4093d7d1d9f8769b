"""Constants and a push that tests hold in their hands."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

TOKEN = "t0ken-of-the-tests-0123456789"
STUDY = "TEST01"


class FakePush:
    """A push that waits for ``go``, then returns or raises."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.ended = threading.Event()
        self.calls: list[tuple[Path, str]] = []
        self.summary: dict[str, Any] = {"exit": 0, "rejected": 0, "resources": {"Patient": 2}}
        self.error: Exception | None = None

    def __call__(self, folder: Path, server: str) -> dict[str, Any]:
        self.calls.append((folder, server))
        assert self.go.wait(10)
        if self.error:
            raise self.error
        return self.summary


def ended(client: FlaskClient, address: str) -> dict[str, Any]:
    """The run when it has ended."""
    pause = threading.Event()
    while (answer := client.get(address)).status_code == 202:
        pause.wait(0.02)  # a busy loop would keep the run's thread from working
    assert answer.status_code == 200
    run: dict[str, Any] = answer.get_json()
    return run
