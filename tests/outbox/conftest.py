"""A real server, a small study and its outbox, for the tests of this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.demo.server import EmbeddedServer
from adapter.mapping import map_study
from adapter.outbox import Outbox
from adapter.recipes import Mapped
from adapter.study import Study


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


@pytest.fixture
def outbox(folder: Path) -> Iterator[Outbox]:
    with open_outbox(folder) as opened:
        yield opened


def open_outbox(folder: Path, **changed: str) -> Outbox:
    """The outbox of the small study; ``changed`` names what is another one's."""
    wanted = {"study": "TEST01", "release": "R4", "key_fingerprint": "k", **changed}
    return Outbox.open(folder / ".study-fhir" / "o.sqlite", **wanted)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty PostgreSQL server on a Unix socket; skipped where there is none."""
    programs = shutil.which("initdb") or shutil.which("initdb", path=_debian())
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    bin_folder = Path(programs).parent
    data = tmp_path_factory.mktemp("postgresql")
    as_owner: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(data, "postgres")
        for parent in data.parents[:2]:
            parent.chmod(0o755)
        as_owner = ["runuser", "-u", "postgres", "--"]
    run = lambda *words: subprocess.run(  # noqa: E731, S603
        [*as_owner, *map(str, words)], check=True, capture_output=True, timeout=60, cwd="/"
    )
    run(bin_folder / "initdb", "-D", data / "db", "-A", "trust", "-U", "study", "--no-sync")
    options = f"-k {data} -c listen_addresses='' -c fsync=off"
    run(bin_folder / "pg_ctl", "-D", data / "db", "-o", options, "-l", data / "log", "-w", "start")
    try:
        yield f"postgresql+psycopg://study@/postgres?host={data}"
    finally:
        run(bin_folder / "pg_ctl", "-D", data / "db", "-m", "immediate", "stop")


def _debian() -> str:
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    return os.pathsep.join(sorted(map(str, folders), reverse=True))
