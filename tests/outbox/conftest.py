"""A real server, a small study and its outbox, for the tests of this folder."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.demo.server import EmbeddedServer
from adapter.mapped import Mapped
from adapter.mapping import map_study
from adapter.outbox import Outbox
from adapter.study import Study
from tests.faults.conftest import bench
from tests.faults.quirks import HAPI
from tests.faults.server import ScriptedServer

__all__ = ["bench"]  # a fixture of this folder as well


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as running:
        yield running


@pytest.fixture
def mapped(folder: Path, request: pytest.FixtureRequest) -> list[Mapped]:
    """The small study under ids of its own for each test, so that one server serves them all."""
    key = folder / ".study-fhir" / "study.key"
    key.write_text(request.node.nodeid.encode().hex()[-64:].rjust(64, "0"))
    return map_study(Study(folder)).resources


def four_children(folder: Path) -> None:
    """The small study with four children in one arm, one laboratory result each."""
    people = [f"0{n},Name {n},1,1,2015-03-02,2024-01-10" for n in range(1, 5)]
    lab = [f"a{n},0{n},CRP,1{n}.50,mg/L,2024-01-10 08:30" for n in range(1, 5)]
    for name, lines in (("people.csv", people), ("lab.csv", lab)):
        header = (folder / name).read_text(encoding="utf-8").splitlines()[0]
        (folder / name).write_text("\n".join([header, *lines, ""]), encoding="utf-8")


@pytest.fixture
def keeping() -> Iterator[ScriptedServer]:
    """A server that deletes nothing that something else refers to, as HAPI does."""
    with ScriptedServer(quirks=copy.deepcopy(HAPI)) as scripted:
        yield scripted


def copied(mapped: list[Mapped]) -> list[Mapped]:
    """The same resources, for a test to change."""
    return [Mapped(copy.deepcopy(m.resource), m.subject, m.origins) for m in mapped]


@pytest.fixture
def outbox(folder: Path) -> Iterator[Outbox]:
    with open_outbox(folder) as opened:
        yield opened


def open_outbox(folder: Path, **changed: str) -> Outbox:
    """The outbox of the small study; ``changed`` names what is another one's."""
    wanted = {"study": "TEST01", "release": "R4", "key_fingerprint": "k", **changed}
    return Outbox.open(folder / ".study-fhir" / "o.sqlite", **wanted)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of an empty PostgreSQL server on a Unix socket; skipped where there is none."""
    programs = shutil.which("initdb") or shutil.which("initdb", path=_debian())
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    owner: list[str] = []
    with tempfile.TemporaryDirectory(prefix="pg-") as data:
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(data, "postgres")
            owner = ["runuser", "-u", "postgres", "--"]
        control = [*owner, str(Path(programs).with_name("pg_ctl")), "-D", f"{data}/db"]
        options = f"-k {data} -c listen_addresses='' -c fsync=off"
        _run([*owner, programs, "-D", f"{data}/db", "-A", "trust", "-U", "study", "--no-sync"])
        _run([*control, "-o", options, "-l", f"{data}/log", "-w", "start"])
        try:
            yield f"postgresql+psycopg://study@/postgres?host={data}"
        finally:
            _run([*control, "-m", "immediate", "stop"])


def _run(words: list[str]) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=60, cwd="/")  # noqa: S603


def _debian() -> str:
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    return os.pathsep.join(sorted(map(str, folders), reverse=True))
