"""What was done, line by line, each line sealed with the hash of all before it.

The lines hold names, counts and hashes, no values. Whoever edits or removes one breaks the chain
from there on; the last hash, written down elsewhere, also proves that none was cut off the end.
"""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa

from adapter.fhir.json import canonical
from adapter.outbox.tables import ledger_table

GENESIS = "0" * 64


def append(db: sa.Connection, **said: Any) -> str:
    """Add a line within the transaction of what it tells; returns its hash."""
    last = sa.select(ledger_table.c.hash).order_by(ledger_table.c.id.desc()).limit(1)
    before = db.execute(last).scalar() or GENESIS
    line = canonical(said).decode()
    sealed = _seal(before, line)
    db.execute(ledger_table.insert().values(line=line, hash=sealed))
    return sealed


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
