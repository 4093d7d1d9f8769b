"""Opening an outbox: made, brought to this version, and held against what is known of it."""

from __future__ import annotations

import uuid
from pathlib import Path

import sqlalchemy as sa

from adapter.errors import OutboxError, Where
from adapter.outbox import marker as marks
from adapter.outbox.engine import alone, new_file, postgresql, sqlite, unwritable, whole
from adapter.outbox.migrations import migrate, version_of
from adapter.outbox.tables import SCHEMA_VERSION, ledger_table, meta_table, metadata


def opened(at: Path | str, where: str, wanted: dict[str, str], marker: Path | None) -> sa.Engine:
    """The database of an outbox that is ready for use, as ``Outbox.open`` says."""
    engine = sqlite(at) if isinstance(at, Path) else postgresql(at)
    try:
        known = marks.read(marker) if marker else None
        if isinstance(at, Path):
            if not at.exists():
                if marker and known:
                    raise marks.refusal("is gone", marker, where)
                new_file(at, lambda made: _prepare(made, None, wanted))
            whole(engine, at)
        _prepare(engine, at if isinstance(at, Path) else None, wanted)
        _same(engine, where, wanted)
        if marker and known:
            _is_the_one(engine, where, marker, known)
    except OSError as error:
        engine.dispose()
        raise unwritable(type(error).__name__, Where(file=where)) from None
    except BaseException:
        engine.dispose()
        raise
    return engine


def _prepare(engine: sa.Engine, path: Path | None, wanted: dict[str, str]) -> None:
    """Make the tables of a new outbox, or bring those of an older one to this version."""
    with engine.connect().execution_options(reading=True) as db:
        if version_of(db) == SCHEMA_VERSION:
            return
    with engine.begin() as db:
        alone(db)
        migrate(db, path)
        metadata.create_all(db)
        if version_of(db) is None:
            values = {"schema": SCHEMA_VERSION, **wanted, "uuid": str(uuid.uuid4())}
            rows = [{"name": name, "value": value} for name, value in values.items()]
            db.execute(meta_table.insert(), rows)


def _same(engine: sa.Engine, where: str, wanted: dict[str, str]) -> None:
    with engine.connect().execution_options(reading=True) as db:
        known = {row.name: row.value for row in db.execute(sa.select(meta_table))}
    for name, value in wanted.items():
        if known.get(name) != value:
            shown = "" if name == "key" else f": it says {known.get(name)}, now {value}"
            raise OutboxError(
                f"the outbox was made with another {name}{shown}",
                where=Where(file=where),
                hint="bring back what changed, or start a new outbox beside the old one",
            )


def _is_the_one(engine: sa.Engine, where: str, path: Path, known: marks.Marker) -> None:
    """Raises OutboxError when this is another outbox, or this one as it was before."""
    meta, line = meta_table, ledger_table
    with engine.connect().execution_options(reading=True) as db:
        name = db.execute(sa.select(meta.c.value).where(meta.c.name == "uuid")).scalar()
        sealed = db.execute(sa.select(line.c.hash).where(line.c.id == known.lines)).scalar()
    if name != known.outbox:
        raise marks.refusal("is another one than before", path, where)
    if known.lines and sealed != known.hash:
        raise marks.refusal("is older than what was done with it", path, where)
