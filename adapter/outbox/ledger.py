"""What was done, line by line, each line sealed with the hash of all before it.

The lines hold names, counts and hashes, no values. Whoever edits or removes one breaks the chain
from there on; the last hash, written down elsewhere, also proves that none was cut off the end.
"""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa

from adapter.fhir.json import canonical
from adapter.outbox.engine import alone
from adapter.outbox.tables import ledger_table

GENESIS = "0" * 64


def append(db: sa.Connection, **said: Any) -> str:
    """Add a line within the transaction of what it tells; returns its hash."""
    alone(db)  # two that seal the same line would break the chain
    number, before = last(db)
    line = canonical(said).decode()
    sealed = _seal(before, line)
    db.execute(ledger_table.insert().values(id=number + 1, line=line, hash=sealed))
    return sealed


def last(db: sa.Connection) -> tuple[int, str]:
    """The number and the hash of the last line; 0 without any."""
    table = ledger_table
    newest = sa.select(table.c.id, table.c.hash).order_by(table.c.id.desc()).limit(1)
    row = db.execute(newest).one_or_none()
    return (row.id, row.hash) if row else (0, GENESIS)


def first_broken(db: sa.Connection) -> int | None:
    """The number of the first line that is not as it was written; None when all are."""
    before, expected = GENESIS, None
    for row in db.execute(sa.select(ledger_table).order_by(ledger_table.c.id)):
        if (expected is not None and row.id != expected) or row.hash != _seal(before, row.line):
            return int(row.id)
        before, expected = row.hash, row.id + 1
    return None


def _seal(before: str, line: str) -> str:
    return hashlib.sha256(f"{before}\n{line}".encode()).hexdigest()
