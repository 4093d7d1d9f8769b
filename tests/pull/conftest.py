"""A study folder that pulls, and a clock that a test moves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapter.fhir.access import Access
from adapter.fhir.transport import Transport
from adapter.pull import Pulled, pull
from adapter.settings import PullSettings
from tests.pull.ehr import Ehr, Resource, observation, patient

TOKEN = "Bearer CANARY-TOKEN"


class Bearer:
    """A token that never changes."""

    def authorization(self) -> str | None:
        return TOKEN

    def renewed(self, refused: str | None) -> str | None:
        return None


@dataclass
class Time:
    """Seconds that pass only by sleeping."""

    now: float = 0.0
    naps: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.naps.append(seconds)
        self.now += seconds


@dataclass
class Puller:
    """Pulls into a folder, again and again."""

    folder: Path
    cohort: str = "patient\np1\np2\np3\n"
    types: tuple[str, ...] = ("Patient", "Observation")
    mode: str = "search"
    overlap: int = 300
    time: Time = field(default_factory=Time)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def state(self) -> Path:
        return self.folder / ".study-fhir" / "pull.sqlite"

    def settings(self) -> PullSettings:
        file = self.folder / "cohort.csv"
        file.write_text(self.cohort, encoding="utf-8")
        group = "g" if self.mode == "bulk" else None
        return PullSettings("cohort.csv", file, self.types, self.mode, group, self.overlap)

    def __call__(self, ehr: Ehr, *, wait: float = 0, **more: Any) -> Pulled:
        transport = Transport(ehr.url, access=Access(Bearer()), timeout=5, deadline=5)
        try:
            return pull(
                self.settings(), transport, state=self.state, out=self.out, study="TEST01",
                server="ehr", wait=wait, clock=self.time.clock, sleep=self.time.sleep, **more,
            )  # fmt: skip
        finally:
            transport.close()

    def read(self, kind: str) -> list[Resource]:
        """What stands in a file of the output."""
        return [json.loads(line) for line in (self.out / f"{kind}.ndjson").read_text().splitlines()]

    def ids(self, kind: str) -> list[str]:
        return [each["id"] for each in self.read(kind)]

    def changes(self) -> list[tuple[str, str]]:
        listed = json.loads((self.out / "reconcile.json").read_text())["changes"]
        return [(f"{each['resourceType']}/{each['id']}", each["what"]) for each in listed]


@pytest.fixture
def puller(tmp_path: Path) -> Puller:
    return Puller(tmp_path)


CHILDREN = ("p1", "p2", "p3")


@pytest.fixture
def ehr() -> Iterator[Ehr]:
    """Three children with five observations each."""
    held = [patient(each) for each in CHILDREN]
    held += [observation(f"{of}-o{number}", of) for of in CHILDREN for number in range(5)]
    with Ehr(*held) as server:
        yield server
