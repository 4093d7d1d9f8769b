"""One statement for many rows: compiled once a database, its parameters passed on as they are.

SQLAlchemy works out the parameters of every row anew, which cost a third of a push.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

Row = dict[str, Any]
Statement = sa.Insert | sa.Update


@lru_cache(maxsize=32)
def _compiled(statement: Statement, dialect: sa.Dialect, names: tuple[str, ...]) -> Any:
    keys = list(names) if isinstance(statement, sa.Insert) else None
    return statement.compile(dialect=dialect, column_keys=keys)


def execute_many(db: sa.Connection, statement: Statement, rows: Sequence[Row]) -> int:
    """Execute a statement once for each row, and tell how many rows of its table it changed.

    All have the same names, and their values are the driver's own.

    Give the same statement object each time: it is what the compiled text is remembered by.
    """
    if not rows:
        return 0
    compiled = _compiled(statement, db.dialect, tuple(rows[0]))
    constants = {name: value for name, value in compiled.params.items() if name not in rows[0]}
    if constants:
        rows = [constants | row for row in rows]
    if not compiled.positional:
        return db.exec_driver_sql(str(compiled), list(rows)).rowcount
    values = itemgetter(*compiled.positiontup)
    return db.exec_driver_sql(str(compiled), [values(row) for row in rows]).rowcount
