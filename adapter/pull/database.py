"""The file that a pull is kept in: SQLite, written ahead, on the disk before a page counts."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from adapter.errors import BusyError, ConfigurationError, Where
from adapter.pull.tables import SCHEMA_VERSION, meta_table, metadata

# what is erased is overwritten too: a child that has left the cohort is not in free pages
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")
ANEW = "move the file away: the next pull reads everything again"


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the place beside ``path`` that one pull at a time can have, even if it is killed.

    Raises BusyError when another process has it.
    """
    lock = path.with_suffix(".lock")
    _private(lock)
    with closing(sqlite3.connect(lock, timeout=0, isolation_level=None)) as held:
        try:
            held.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if "locked" not in str(error):
                raise _unusable(error, lock) from None
            raise BusyError(
                "another pull of this study is at work",
                where=Where(file=str(path)),
                hint="wait for it to end, then do the same again",
            ) from None
        yield


@contextmanager
def database(path: Path, belongs_to: dict[str, str]) -> Iterator[sa.Engine]:
    """The opened file, made when there is none.

    Raises ConfigurationError for one that is damaged, or that belongs to something else.
    """
    _private(path)
    engine = sa.create_engine(f"sqlite:///{path}")
    sa.event.listen(engine, "connect", _pragmas)
    sa.event.listen(engine, "begin", lambda db: db.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        metadata.create_all(engine)
        _same(engine, path, {"schema": SCHEMA_VERSION, **belongs_to})
        yield engine
    except sa.exc.DBAPIError as error:
        raise _unusable(error.orig, path) from None
    except sqlite3.Error as error:
        raise _unusable(error, path) from None
    finally:
        engine.dispose()


def _unusable(error: BaseException | None, path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"what was pulled cannot be kept: {type(error).__name__}",
        where=Where(file=str(path)),
        hint=f"is there room on the disk? if the file is damaged, {ANEW}",
    )


def _private(path: Path) -> None:
    """Make a file that its owner alone can read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def _pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say so
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _same(engine: sa.Engine, path: Path, wanted: dict[str, str]) -> None:
    with engine.begin() as db:
        known = {row.name: row.value for row in db.execute(sa.select(meta_table))}
        if not known:
            rows = [{"name": name, "value": value} for name, value in wanted.items()]
            db.execute(meta_table.insert(), rows)
            return
    other = [name for name, value in wanted.items() if known.get(name) != value]
    if other:
        raise ConfigurationError(
            f"what was pulled before is of another {' and '.join(other)}",
            where=Where(file=str(path)),
            hint=ANEW,
        )
