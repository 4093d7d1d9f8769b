"""The database of an outbox: SQLite that waits for the disk, or PostgreSQL; errors in our words."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from adapter.errors import BusyError, OutboxError, Where

# A cache of 16 MB, and 32 MB written ahead before they are moved: a push of 20,000 is 8 % faster.
PRAGMAS = ("synchronous=FULL", "foreign_keys=ON", "cache_size=-16000", "wal_autocheckpoint=8000")
PATIENCE = 30  # seconds to wait for another process that writes
DAMAGED = "restore it from a backup; without it, a push reads what the server holds"


def without_password(url: str) -> str:
    """The URL of a database as it may be shown."""
    return sa.make_url(url).render_as_string(hide_password=True)


def sqlite(path: Path) -> sa.Engine:
    """A file, made if it is not there, that only its owner reads."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": PATIENCE})
    sa.event.listen(engine, "connect", _pragmas)
    sa.event.listen(engine, "begin", _begin)
    sa.event.listen(engine, "handle_error", _translated)
    return engine


def postgresql(url: str) -> sa.Engine:
    """A database on a server. Raises OutboxError for a URL that names none."""
    try:
        return sa.create_engine(url)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError):
        raise OutboxError(
            "this is no outbox database",
            hint="outbox: is a file, or postgresql+psycopg://user@host/database "
            "(install study-fhir-adapter[postgresql])",
        ) from None


def _pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say so, see _begin
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    _write_ahead(cursor)
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """A new file is made one that writes ahead; SQLite does not wait for others who do the same."""
    end = time.monotonic() + PATIENCE
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _begin(db: sa.Connection) -> None:
    """A writer takes its place at once: one that read first could find the door shut."""
    reading = db.get_execution_options().get("reading")
    db.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def whole(engine: sa.Engine, where: str) -> None:
    """Raises OutboxError for a file that is shorter than it says; SQLite itself finds the rest."""
    if engine.dialect.name != "sqlite":
        return
    with engine.connect().execution_options(reading=True) as db:
        pages = db.exec_driver_sql("PRAGMA page_count").scalar_one()
        size = db.exec_driver_sql("PRAGMA page_size").scalar_one()
        db.exec_driver_sql("SELECT count(*) FROM sqlite_master")
    held = Path(where).stat().st_size
    if held and held < pages * size and not Path(f"{where}-wal").exists():
        raise OutboxError("the outbox is damaged", where=Where(file=where), hint=DAMAGED)


def _translated(context: sa.engine.ExceptionContext) -> None:
    """What the database cannot do, as an error of ours: wherever it happens, it ends the run."""
    error = context.original_exception
    where = Where(file=context.engine.url.database if context.engine else None)
    text = str(error).lower()
    kind = type(error).__name__
    if "locked" in text or "busy" in text or kind == "LockNotAvailable":
        raise BusyError(
            "the outbox is held by another process",
            where=where,
            hint="nothing is lost: wait for it to end, then do the same again",
        ) from None
    if "full" in text or "disk i/o" in text or "readonly" in text or "unable to open" in text:
        raise OutboxError(
            f"the outbox cannot be written ({kind})",
            where=where,
            hint="is there room on the disk, and may this user write the file and its folder?",
        ) from None
    if kind == "DatabaseError" or "malformed" in text:
        raise OutboxError("the outbox is damaged", where=where, hint=DAMAGED) from None


def unusable(error: sa.exc.DBAPIError, where: str) -> OutboxError:
    """What stopped us from opening it, without what the database says itself."""
    return OutboxError(
        f"the outbox cannot be used: {type(error.orig).__name__}",
        where=Where(file=where),
        hint=DAMAGED,
    )
