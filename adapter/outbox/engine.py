"""The database of an outbox: SQLite that waits for the disk, or PostgreSQL; errors in our words."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from adapter.errors import BusyError, OutboxError, StudyFhirError, UnavailableError, Where

# A cache of 16 MB, and 32 MB written ahead before they are moved: a push of 20,000 is 8 % faster.
PRAGMAS = ("synchronous=FULL", "foreign_keys=ON", "cache_size=-16000", "wal_autocheckpoint=8000")
PATIENCE = 30  # seconds to wait for another process that writes
DAMAGED = "put back its newest backup; without one see docs/operations.md, a lost outbox"
ALONE = 0x5F0B  # the lock of PostgreSQL that stands for "I change what all depend on"


def without_password(url: str) -> str:
    """The URL of a database as it may be shown."""
    shown = sa.make_url(url).difference_update_query(("password", "sslpassword"))
    return shown.render_as_string(hide_password=True)


def alone(db: sa.Connection) -> None:
    """No other process is past this line until the transaction ends; SQLite's writers are alone."""
    if db.dialect.name == "postgresql":
        db.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ALONE})")


def sqlite(path: Path) -> sa.Engine:
    """The database in a file. The file must be there: see ``new_file``."""
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": PATIENCE})
    sa.event.listen(engine, "connect", _pragmas)
    sa.event.listen(engine, "begin", _begin)
    sa.event.listen(engine, "handle_error", _translated)
    return engine


def new_file(path: Path, fill: Callable[[sa.Engine], None]) -> None:
    """Make a file that only its owner reads and that is whole from the moment it has its name.

    What is written ahead is moved into it first: without its ``-wal`` it is still an outbox.
    Another process may be faster; then its file stands.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    os.close(handle)
    try:
        engine = sqlite(Path(name))
        try:
            fill(engine)
        finally:
            engine.dispose()  # the last connection moves what was written ahead
        try:
            os.link(name, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            if not path.exists():
                Path(name).rename(path)
    finally:
        for rest in ("", "-wal", "-shm"):
            Path(f"{name}{rest}").unlink(missing_ok=True)


def postgresql(url: str) -> sa.Engine:
    """A database on a server. Raises OutboxError for a URL that names none."""
    try:
        engine = sa.create_engine(url)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError):
        raise OutboxError(
            "this is no outbox database",
            hint="outbox: is a file, or postgresql+psycopg://user@host/database "
            "(install study-fhir-adapter[postgresql])",
        ) from None
    sa.event.listen(engine, "handle_error", _unreachable)
    return engine


def _pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say so, see _begin
    with closing(connection.cursor()) as cursor:
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        _write_ahead(cursor)


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


def whole(engine: sa.Engine, path: Path) -> None:
    """Raises OutboxError for a file that is empty, that we may not read, or that was cut."""
    where = Where(file=str(path))
    try:
        held = path.stat().st_size
    except OSError as error:
        raise unwritable(type(error).__name__, where) from None
    if not held:
        raise OutboxError("the outbox is damaged: it is empty", where=where, hint=DAMAGED)
    with engine.connect().execution_options(reading=True) as db:
        pages = db.exec_driver_sql("PRAGMA page_count").scalar_one()
        size = db.exec_driver_sql("PRAGMA page_size").scalar_one()
        tables = db.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
    cut = held < pages * size and not Path(f"{path}-wal").exists()
    if cut or not tables:
        raise OutboxError("the outbox is damaged", where=where, hint=DAMAGED)


def _translated(context: sa.engine.ExceptionContext) -> None:
    """What the database cannot do, as an error of ours: wherever it happens, it ends the run."""
    error = context.original_exception
    where = Where(file=context.engine.url.database if context.engine else None)
    text = str(error).lower()
    kind = type(error).__name__
    if "locked" in text or "busy" in text:
        raise BusyError(
            "the outbox is held by another process",
            where=where,
            hint="nothing is lost: wait for it to end, then do the same again",
        ) from None
    if "full" in text or "disk i/o" in text or "readonly" in text or "unable to open" in text:
        raise unwritable(kind, where) from None
    if kind == "DatabaseError" or "malformed" in text:
        raise OutboxError("the outbox is damaged", where=where, hint=DAMAGED) from None


def unwritable(kind: str, where: Where) -> OutboxError:
    """A file that cannot be read or written, by the kind of the error."""
    return OutboxError(
        f"the outbox cannot be read or written ({kind})",
        where=where,
        hint="is there room on the disk, and may this user write the file, its folder, and what "
        "stands beside it (-wal, -shm)?",
    )


def _unreachable(context: sa.engine.ExceptionContext) -> None:
    """A PostgreSQL that is down is no damage: everything is kept, and a later run goes on."""
    error = context.original_exception
    if not (context.is_disconnect or type(error).__name__ in ("OperationalError", "AdminShutdown")):
        return
    url = context.engine.url.render_as_string(hide_password=True) if context.engine else ""
    where = Where(file=without_password(url) if url else None)
    text = str(error)
    if "authentication failed" in text or "does not exist" in text or "no password" in text:
        raise OutboxError(
            "PostgreSQL does not let us into the outbox",
            where=where,
            hint="do the user, the password (PGPASSFILE) and the database of `outbox` exist there?",
        ) from None
    raise UnavailableError(
        "the outbox cannot be reached: PostgreSQL does not answer",
        where=where,
        hint="nothing is lost: start the database server, then do the same again",
    ) from None


def unusable(error: sa.exc.DBAPIError, where: str) -> StudyFhirError:
    """What stopped us from opening it, without what the database says itself."""
    return OutboxError(
        f"the outbox cannot be used: {type(error.orig).__name__}",
        where=Where(file=where),
        hint=DAMAGED if "://" not in where else "is it an outbox, and may this user change it?",
    )
