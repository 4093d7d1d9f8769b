"""From an older version of the outbox to this one, in one transaction, with a backup beside it."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from adapter.errors import OutboxError, Where
from adapter.fhir.json import loads
from adapter.fhir.order import is_last
from adapter.outbox.tables import SCHEMA_VERSION, change_table, meta_table


def migrate(db: sa.Connection, path: Path | None) -> None:
    """Bring an older outbox to this version; a new one and one of this version stay as they are.

    To be called alone, within the transaction that it belongs to: another process may have done it
    in the meantime. A file is copied first, to ``<name>.v<version>``. Raises OutboxError for a
    newer version.
    """
    version = version_of(db)
    if version is None or version == SCHEMA_VERSION:
        return
    if not version.isdigit() or int(version) > int(SCHEMA_VERSION):
        raise OutboxError(
            f"the outbox was written by a newer version of this program (schema {version})",
            where=Where(file=str(path)) if path else None,
            hint="update study-fhir-adapter; this version leaves the outbox as it is",
        )
    if path is not None:
        _back_up(path, path.with_name(f"{path.name}.v{version}"))
    for step in range(int(version), int(SCHEMA_VERSION)):
        STEPS[step](db)
    db.execute(
        meta_table.update().where(meta_table.c.name == "schema").values(value=SCHEMA_VERSION)
    )


def version_of(db: sa.Connection) -> str | None:
    """The version of the tables; None when there are none yet."""
    if not sa.inspect(db).has_table("meta"):
        return None
    query = sa.select(meta_table.c.value).where(meta_table.c.name == "schema")
    return db.execute(query).scalar()


def _back_up(path: Path, copy: Path) -> None:
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def leases_and_deletions(db: sa.Connection) -> None:
    """Version 2: stages, deletions, and places on servers that give ids of their own."""
    for column in (
        "stage INTEGER NOT NULL DEFAULT 1",
        "action TEXT NOT NULL DEFAULT 'put'",
        "source TEXT",
        "place TEXT",
    ):
        db.exec_driver_sql(f"ALTER TABLE change ADD COLUMN {column}")
    db.exec_driver_sql("CREATE INDEX change_subject ON change (server, subject, stage, state)")
    table = change_table
    of_study = db.execute(
        sa.select(table.c.server, table.c.reference, table.c.content).where(table.c.subject == "")
    ).all()
    for row in of_study:
        here = sa.and_(table.c.server == row.server, table.c.reference == row.reference)
        stage = 2 if is_last(loads(row.content)) else 0
        db.execute(table.update().where(here).values(stage=stage))


def writes_in_flight(db: sa.Connection) -> None:
    """Version 3: what was sent and not acknowledged is recognised when it arrives late."""
    db.exec_driver_sql("ALTER TABLE change ADD COLUMN in_flight TEXT NOT NULL DEFAULT ''")


def fewer_writes(db: sa.Connection) -> None:
    """Version 4: one index of states instead of two; what is on its way stands with its lease."""
    for name, columns in (
        ("change_state", "server, state, stage, subject"),
        ("change_subject", "server, subject"),
    ):
        db.exec_driver_sql(f"DROP INDEX IF EXISTS {name}")
        db.exec_driver_sql(f"CREATE INDEX {name} ON change ({columns})")
    if sa.inspect(db).has_table("lease"):
        db.exec_driver_sql("ALTER TABLE lease ADD COLUMN sending TEXT NOT NULL DEFAULT ''")


def a_name_of_its_own(db: sa.Connection) -> None:
    """Version 5: the outbox has a UUID; what is to be deleted was never done before it is gone."""
    db.exec_driver_sql("DROP TABLE IF EXISTS cursor")
    db.execute(meta_table.insert().values(name="uuid", value=str(uuid.uuid4())))
    table = change_table
    undone = sa.and_(table.c.action == "delete", table.c.state == "done")
    db.execute(table.update().where(undone).values(state="new"))


STEPS: dict[int, Callable[[sa.Connection], None]] = {
    1: leases_and_deletions,
    2: writes_in_flight,
    3: fewer_writes,
    4: a_name_of_its_own,
}
