"""What every part of an outbox works with: the database, and where it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa


class Database:
    """The database of one outbox; ``where`` is what people call it."""

    def __init__(self, engine: sa.Engine, where: str):
        self._engine = engine
        self.where = where

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._engine.connect().execution_options(reading=True) as db:
            yield db


def now() -> str:
    """This second, in UTC."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
