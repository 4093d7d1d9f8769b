"""An outbox that was lost, emptied or put back from long ago is noticed before anything is sent."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapter.errors import BusyError, OutboxError
from adapter.outbox import Outbox, Server, marker_of, push, retract
from adapter.outbox import engine as engines
from adapter.outbox.tables import metadata
from tests.faults.server import ScriptedServer
from tests.faults.study import CHANGED, name, study

GONE = name("a")

# a push and a withdrawal, and then the process is no more
KILLED = """
import os, signal, sys
from pathlib import Path
from adapter.outbox import Outbox, Server, push, retract
from tests.faults.study import name, study
outbox = Outbox.open(Path(sys.argv[1]), study="T", release="R4", key_fingerprint="k")
at = Server("test", sys.argv[2])
push(outbox, at, study())
assert retract(outbox, at, name("a")).is_proven
os.kill(os.getpid(), signal.SIGKILL)
"""


def opened(at: Path | str, marker: Path | None = None) -> Outbox:
    return Outbox.open(at, study="T", release="R4", key_fingerprint="k", marker=marker)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def used(file: Path, server: ScriptedServer) -> None:
    """An outbox that has sent a study, and withdrawn a child."""
    with opened(file) as outbox:
        at = Server("test", server.url)
        push(outbox, at, study())
        assert retract(outbox, at, GONE).is_proven


def without_wal(file: Path, server: ScriptedServer) -> None:
    words = [sys.executable, "-c", KILLED, str(file), server.url]
    subprocess.run(words, check=False, timeout=60, cwd=Path(__file__).parents[2])  # noqa: S603
    for rest in file.parent.glob(f"{file.name}-*"):
        rest.unlink()


def emptied(file: Path, server: ScriptedServer) -> None:
    used(file, server)
    file.write_bytes(b"")


def gone(file: Path, server: ScriptedServer) -> None:
    used(file, server)
    file.unlink()


def another(file: Path, server: ScriptedServer) -> None:
    used(file, server)
    with opened(file.with_name("other.sqlite")):
        pass
    file.with_name("other.sqlite").replace(file)


def of_before(file: Path, server: ScriptedServer) -> None:
    at = Server("test", server.url)
    with opened(file) as outbox:
        push(outbox, at, study())
    shutil.copy(file, file.with_name("backup"))
    used(file, server)
    file.with_name("backup").replace(file)


@pytest.mark.parametrize("lose", [without_wal, emptied, gone, another, of_before])
def test_c05_a_lost_outbox_sends_nothing(
    lose: Callable[[Path, ScriptedServer], None], tmp_path: Path, server: ScriptedServer
) -> None:
    file = tmp_path / "o.sqlite"
    lose(file, server)
    held = {place: len(versions) for place, versions in server.store.versions.items()}
    with pytest.raises(OutboxError) as caught, opened(file) as outbox:
        push(outbox, Server("test", server.url), study())
    assert "backup" in (caught.value.hint or "")
    assert {place: len(versions) for place, versions in server.store.versions.items()} == held
    assert file.exists() == (lose is not gone)  # nothing was made in its place


@pytest.mark.parametrize("lose", [gone, of_before])
def test_d06_who_was_withdrawn_stays_so_when_the_outbox_is_given_up(
    lose: Callable[[Path, ScriptedServer], None], tmp_path: Path, server: ScriptedServer
) -> None:
    file = tmp_path / "o.sqlite"
    lose(file, server)
    marker = marker_of(file)
    assert marker.stat().st_mode & 0o077 == 0
    with pytest.raises(OutboxError, match="withdrawn subjects could be sent") as caught:
        opened(file)
    assert "o.lost.json" in (caught.value.hint or "")
    marker.rename(file.with_name("o.lost.json"))
    with opened(file) as outbox:
        at = Server("test", server.url)
        assert push(outbox, at, study(2.5)).created == 0
        assert server.store.latest(f"Patient/{GONE}") is None
        assert server.store.latest(CHANGED) is None
        assert outbox.withdrawn(outbox.server_id(at)) == {GONE}
    assert GONE in marker.read_text()


def test_a_withdrawal_is_marked_before_anything_is_deleted(
    tmp_path: Path, server: ScriptedServer
) -> None:
    file, at = tmp_path / "o.sqlite", Server("test", server.url)
    with opened(file) as outbox:
        row = outbox.server_id(at)
        outbox.withdraw(row, GONE, [])
        assert GONE in marker_of(file).read_text()


def test_an_outbox_killed_at_once_after_it_was_made_is_no_empty_file(tmp_path: Path) -> None:
    file = tmp_path / "o.sqlite"
    words = [sys.executable, "-c", KILLED.replace("push(", "os.kill(os.getpid(), 9); push("),
             str(file), "http://127.0.0.1:1/fhir"]  # fmt: skip
    subprocess.run(words, check=False, timeout=60, cwd=Path(__file__).parents[2])  # noqa: S603
    for rest in tmp_path.glob("o.sqlite-*"):
        rest.unlink()
    assert file.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(file)) as db:
        assert dict(db.execute("SELECT name, value FROM meta"))["study"] == "T"
    opened(file).__exit__(None, None, None)


@contextmanager
def nobody(folder: Path) -> Iterator[None]:
    """As a user who may not read everything, in case we are root."""
    for each in (folder, *folder.parents):
        if each.owner() == "root" and each.stat().st_mode & 0o777 == 0o700:
            each.chmod(0o711)
    as_root = os.geteuid() == 0
    if as_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if as_root:
            os.seteuid(0)


@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_c05_an_outbox_that_we_may_not_read_or_write_is_said(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "o.sqlite"
    opened(file).__exit__(None, None, None)
    file.chmod(mode)
    tmp_path.chmod(0o555)
    try:
        with nobody(tmp_path), pytest.raises(OutboxError) as caught, opened(file) as outbox:
            outbox.server_id(Server("test", "http://127.0.0.1:1/fhir"))
        assert "may this user" in (caught.value.hint or "")
    finally:
        tmp_path.chmod(0o700)


def test_c05_another_process_that_holds_it_is_waited_for_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "PATIENCE", 0.05)
    file = tmp_path / "o.sqlite"
    opened(file).__exit__(None, None, None)
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with opened(file) as outbox:  # looking is allowed
            assert outbox.status()["servers"] == []
            with pytest.raises(BusyError, match="held by another process") as caught:
                outbox.server_id(Server("test", "http://127.0.0.1:1/fhir"))
        assert "nothing is lost" in (caught.value.hint or "")


def test_a_postgresql_outbox_is_marked_too(
    postgresql: str, tmp_path: Path, server: ScriptedServer
) -> None:
    engine = sa.create_engine(postgresql)
    metadata.drop_all(engine)
    marker, at = tmp_path / "postgresql.marker.json", Server("test", server.url)
    with opened(postgresql, marker) as outbox:
        push(outbox, at, study())
        assert retract(outbox, at, GONE).is_proven
    with opened(postgresql, marker) as outbox:
        assert push(outbox, at, study()).requests == 0
    metadata.drop_all(engine)
    engine.dispose()
    with pytest.raises(OutboxError, match="another one than before"):
        opened(postgresql, marker)
    marker.rename(tmp_path / "postgresql.lost.json")
    with opened(postgresql, marker) as outbox:
        assert push(outbox, at, study()).created == 0
    assert server.store.latest(f"Patient/{GONE}") is None
