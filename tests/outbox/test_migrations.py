"""An outbox of an earlier version is brought up to this one; nothing of it is lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import traceback
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapter.errors import OutboxError, UnavailableError
from adapter.outbox import Outbox, Server
from adapter.outbox.changes import Change
from adapter.outbox.tables import metadata
from tests.outbox.conftest import open_outbox

# the tables as the first version made them
VERSION_1 = """
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE server (id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  uuid TEXT NOT NULL, url TEXT NOT NULL);
CREATE TABLE change (server INTEGER NOT NULL REFERENCES server (id), reference TEXT NOT NULL,
  subject TEXT NOT NULL, content BLOB NOT NULL, hash TEXT NOT NULL, state TEXT NOT NULL,
  attempts INTEGER NOT NULL, acked_hash TEXT, version TEXT, reason TEXT,
  PRIMARY KEY (server, reference));
CREATE INDEX change_state ON change (server, state);
CREATE TABLE run (id INTEGER NOT NULL PRIMARY KEY, server INTEGER NOT NULL REFERENCES server (id),
  kind TEXT NOT NULL, started TEXT NOT NULL, ended TEXT, outcome TEXT, counts TEXT);
INSERT INTO meta VALUES ('schema', '1'), ('study', 'TEST01'), ('fhir', 'R4'), ('key', 'k');
INSERT INTO server VALUES (1, 'test', 'u', 'http://127.0.0.1:1/fhir');
INSERT INTO change VALUES
  (1, 'Patient/a', 'a', '{"resourceType":"Patient","id":"a"}', 'h1', 'done', 1, 'h1', '7', NULL),
  (1, 'Group/g', '', '{"resourceType":"Group","id":"g","member":[{}]}', 'h2', 'new', 0, NULL, NULL,
   NULL),
  (1, 'ResearchStudy/s', '', '{"resourceType":"ResearchStudy","id":"s"}', 'h3', 'sent', 1, NULL,
   NULL, NULL);
"""


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / ".study-fhir" / "o.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(VERSION_1)
    return path


def test_an_older_outbox_goes_on_where_it_was(folder: Path, file: Path) -> None:
    with open_outbox(folder) as outbox:
        row = outbox.server_id(Server("test", "http://127.0.0.1:2/fhir"))
        known = outbox.known(row)
    assert {name: (c.state, c.stage) for name, c in known.items()} == {
        "Patient/a": ("done", 1), "Group/g": ("new", 2), "ResearchStudy/s": ("sent", 0),
    }  # fmt: skip
    assert known["Patient/a"].version == "7"
    copy = file.with_name("o.sqlite.v1")
    assert copy.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone() == ("1",)


def test_a_migration_that_fails_leaves_the_old_outbox(
    folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adapter.outbox import migrations

    def half(db: object) -> None:
        migrations.leases_and_deletions(db)  # type: ignore[arg-type]
        raise RuntimeError("power cut")

    monkeypatch.setitem(migrations.STEPS, 1, half)
    with pytest.raises(RuntimeError):
        open_outbox(folder)
    with closing(sqlite3.connect(file)) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(change)")]
    assert "stage" not in columns


def test_two_processes_that_migrate_at_once_do_it_once(folder: Path, file: Path) -> None:
    words = [sys.executable, "-c", OPEN_AT_ONCE, str(file), str(folder / "go")]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(2)]  # noqa: S603
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    (folder / "go").touch()
    assert [process.wait(60) for process in both] == [0, 0]
    for process in both:
        process.communicate()
    with closing(sqlite3.connect(file.with_name("o.sqlite.v1"))) as db:
        assert db.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone() == ("1",)


# stops after it has seen the old version, until the other has seen it too
OPEN_AT_ONCE = """
import sys, time
from pathlib import Path
from adapter.outbox import Outbox, opening
looked = opening.version_of
def at_once(db):
    found = looked(db)
    opening.version_of = looked
    print("ready", flush=True)
    while not Path(sys.argv[2]).exists():
        time.sleep(0.01)
    return found
opening.version_of = at_once
Outbox.open(Path(sys.argv[1]), study="TEST01", release="R4", key_fingerprint="k")
"""


def test_what_was_to_be_deleted_and_called_done_is_still_to_be_deleted(
    folder: Path, file: Path
) -> None:
    with open_outbox(folder):
        pass
    with closing(sqlite3.connect(file)) as db:  # as version 4 could leave it
        db.execute("UPDATE change SET action = 'delete' WHERE reference = 'Patient/a'")
        db.execute("UPDATE meta SET value = '4' WHERE name = 'schema'")
        db.execute("DELETE FROM meta WHERE name = 'uuid'")
        db.execute("CREATE TABLE cursor (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        db.commit()
    with open_outbox(folder) as outbox:
        assert outbox.known(1)["Patient/a"].state == "new"
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT count(*) FROM meta WHERE name = 'uuid'").fetchone() == (1,)
        assert "cursor" not in [row[0] for row in db.execute("SELECT name FROM sqlite_master")]


def test_a_newer_outbox_is_left_alone(folder: Path, file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
        db.commit()
        before = list(db.iterdump())
    with pytest.raises(OutboxError, match="newer version"):
        open_outbox(folder)
    with closing(sqlite3.connect(file)) as db:
        assert list(db.iterdump()) == before


@pytest.mark.parametrize("damage", ["truncated", "overwritten", "no database"])
def test_a_damaged_outbox_is_never_taken_for_an_empty_one(folder: Path, damage: str) -> None:
    with open_outbox(folder) as outbox:
        outbox.server_id(Server("test", "http://127.0.0.1:1/fhir"))
    file = folder / ".study-fhir" / "o.sqlite"
    whole = file.read_bytes()
    spoiled = {
        "truncated": whole[: len(whole) // 2],
        "overwritten": b"\xff" * 4096 + whole[4096:],
        "no database": b"this is no database, but it is long enough to be one" * 20,
    }
    file.write_bytes(spoiled[damage])
    with pytest.raises(OutboxError, match=r"damaged|cannot be used"):
        open_outbox(folder)


def test_another_server_of_the_same_name_is_refused(folder: Path) -> None:
    with open_outbox(folder) as outbox:
        row = outbox.server_id(Server("main", "https://one.test:8443/fhir"))
        assert outbox.server_id(Server("main", "https://one.test:9443/fhir/")) == row
        held = Change("Patient/p", "p", b"{}", "h", "done", acked_hash="h", version="1")
        outbox.enqueue(row, [held])
        with pytest.raises(OutboxError, match=r"was at https://one.test:8443/fhir, now"):
            outbox.server_id(Server("main", "https://two.test/fhir"))


def test_a_server_keeps_under_another_name_who_was_withdrawn(folder: Path) -> None:
    with open_outbox(folder) as outbox:
        row = outbox.server_id(Server("hospital", "https://one.test/fhir"))
        outbox.withdraw(row, "p", [])
        assert outbox.server_id(Server("main", "https://one.test/fhir/")) == row
        assert outbox.withdrawn(row) == {"p"}
        assert outbox.server_id(Server("other", "https://two.test/fhir")) != row


def test_an_address_by_which_nothing_was_ever_acknowledged_was_a_mistake(folder: Path) -> None:
    with open_outbox(folder) as outbox:
        row = outbox.server_id(Server("main", "https://one.test/fhri"))
        outbox.enqueue(row, [Change("Patient/p", "p", b"{}", "h")])
        outbox.learn(row, "write", "single")
        assert outbox.server_id(Server("main", "https://one.test/fhir")) == row
        assert outbox.learnt(row) == {}


def test_two_processes_that_make_a_postgresql_outbox_at_once(postgresql: str) -> None:
    engine = sa.create_engine(postgresql)
    for _ in range(5):
        metadata.drop_all(engine)
        errors: list[Exception] = []

        def opens(errors: list[Exception] = errors) -> None:
            try:
                Outbox.open(postgresql, study="S", release="R4", key_fingerprint="k").__exit__(
                    None, None, None
                )
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=opens) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert errors == []
    engine.dispose()


@pytest.mark.parametrize("where", ["127.0.0.1:1", "nobody.invalid"])
def test_a_postgresql_that_is_down_is_deferred_without_its_password(where: str) -> None:
    pytest.importorskip("psycopg")
    url = f"postgresql+psycopg://study:CANARY-TOKEN-91c2@{where}/db?password=CANARY-TOKEN-91c2"
    with pytest.raises(UnavailableError, match="PostgreSQL does not answer") as caught:
        Outbox.open(url, study="S", release="R4", key_fingerprint="k")
    assert "backup" not in str(caught.value)
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


def test_a_postgresql_that_goes_away_in_the_middle_is_deferred(postgresql: str) -> None:
    with Outbox.open(postgresql, study="S", release="R4", key_fingerprint="k") as outbox:
        outbox.status()
        killer = sa.create_engine(postgresql)
        with killer.connect() as db:
            end = sa.func.pg_terminate_backend(sa.column("pid"))
            mine = sa.column("pid") == sa.func.pg_backend_pid()
            db.execute(sa.select(end).select_from(sa.table("pg_stat_activity")).where(
                ~mine, sa.column("usename") == "study"))  # fmt: skip
        killer.dispose()
        with pytest.raises(UnavailableError):
            outbox.status()
        assert outbox.status()["servers"] == []  # it is back
