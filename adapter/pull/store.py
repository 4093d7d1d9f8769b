"""What was pulled, and how far: a page and the place of the next one are kept together.

So a process that dies at any moment loses nothing, and what comes twice is recognised by type,
id and version.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from adapter.fhir.json import dumps
from adapter.pull.keeping import DELETED, Counts, erase, keep, note
from adapter.pull.sieve import Found
from adapter.pull.tables import (
    change_table,
    child_table,
    crawl_table,
    page_table,
    resource_table,
    run_table,
)


@dataclass(slots=True, repr=False)
class Crawl:
    """One type of one child: where it stands."""

    child: str
    type: str
    since: str | None = None
    began: str | None = None
    link: str | None = None
    failed: int = 0


class Store:
    """The database of a pull, one call a transaction."""

    def __init__(self, engine: sa.Engine):
        self.engine = engine

    # --- the cohort ---

    def belong(self, children: Mapping[str, str | None], types: Collection[str]) -> None:
        """These are the children and types now: what is of others is erased.

        ``children`` is the id of a child's Patient, None where it is to be looked up, by key.
        """
        pairs = [(child, kind) for child in children for kind in types]
        with self.engine.begin() as db:
            known = set(db.execute(sa.select(child_table.c.key)).scalars())
            for key in known.difference(children):
                _forget(db, key)
            of_other_types = resource_table.c.type.not_in(types)
            db.execute(resource_table.delete().where(of_other_types))
            for table in (change_table, crawl_table, page_table):
                db.execute(table.delete().where(table.c.type.not_in(types)))
            for key in set(children).difference(known):
                db.execute(child_table.insert().values(key=key, patient=children[key]))
            rows = [{"child": child, "type": kind} for child, kind in pairs]
            db.execute(insert(crawl_table).on_conflict_do_nothing(), rows)

    def patients(self) -> dict[str, str]:
        """The id of its Patient on the server, by child, as far as it is known."""
        query = sa.select(child_table).where(child_table.c.patient.is_not(None))
        with self.engine.begin() as db:
            return {row.key: row.patient for row in db.execute(query)}

    def identify(self, child: str, patient: str) -> bool:
        """This child has that Patient; what was read of another one is erased.

        Returns whether it was another one: then all of the child is to be read anew.
        """
        with self.engine.begin() as db:
            here = child_table.c.key == child
            old = db.execute(sa.select(child_table.c.patient).where(here)).scalar()
            if old == patient:
                return False
            db.execute(child_table.update().where(here).values(patient=patient))
            if old is None:
                return False
            erase(db, old)
            new = {"state": "open", "since": None, "began": None, "link": None}
            db.execute(crawl_table.update().where(crawl_table.c.child == child).values(new))
            db.execute(page_table.delete().where(page_table.c.child == child))
            return True

    # --- crawls ---

    def crawls(self, state: str | None = None) -> list[Crawl]:
        """All crawls, or those of a state."""
        table = crawl_table
        query = sa.select(
            table.c.child, table.c.type, table.c.since, table.c.began, table.c.link, table.c.failed
        )
        if state is not None:
            query = query.where(table.c.state == state)
        with self.engine.begin() as db:
            return [Crawl(*row) for row in db.execute(query)]

    def open_counts(self) -> dict[str, int]:
        """How many crawls of each type are not done."""
        table = crawl_table
        query = sa.select(table.c.type, sa.func.count()).where(table.c.state != "done")
        with self.engine.begin() as db:
            rows = db.execute(query.group_by(table.c.type)).all()
        return {kind: count for kind, count in rows}  # noqa: C416  rows are no tuples to mypy

    def reopen(self, crawls: Iterable[Crawl]) -> None:
        """Read these again, from their ``since`` on."""
        with self.engine.begin() as db:
            for crawl in crawls:
                db.execute(_of(crawl).values(state="open"))

    def marks(self, crawl: Crawl) -> set[str]:
        """The marks of the pages that were read of a crawl so far."""
        query = sa.select(page_table.c.mark).where(
            page_table.c.child == crawl.child, page_table.c.type == crawl.type
        )
        with self.engine.begin() as db:
            return set(db.execute(query).scalars())

    def take_page(self, crawl: Crawl, found: Sequence[Found], marks: Iterable[str]) -> Counts:
        """Keep a page, together with where the next one stands: ``crawl.link``, ``began``."""
        with self.engine.begin() as db:
            counts = keep(db, found)
            rows = [{"child": crawl.child, "type": crawl.type, "mark": mark} for mark in marks]
            if rows:
                db.execute(insert(page_table).on_conflict_do_nothing(), rows)
            db.execute(_of(crawl).values(link=crawl.link, began=crawl.began))
            if crawl.link is None:
                _close(db, crawl)
        return counts

    def fail(self, crawl: Crawl, *, anew: bool) -> None:
        """A crawl stays open; ``anew`` when it cannot go on where it stopped."""
        new: dict[str, Any] = {"failed": crawl_table.c.failed + 1, "state": "open"}
        if anew:
            new |= {"link": None, "began": None}
        with self.engine.begin() as db:
            db.execute(_of(crawl).values(new))
            if anew:
                _unmark(db, crawl)

    # --- resources ---

    def take(self, found: Sequence[Found]) -> Counts:
        """Keep resources; says what became of them, by type."""
        with self.engine.begin() as db:
            return keep(db, found)

    def delete(self, places: Iterable[tuple[str, str]]) -> Counts:
        """The server holds these no more: out with them, and on the list; type and id."""
        counts: Counts = {}
        with self.engine.begin() as db:
            for kind, id_ in places:
                here = sa.and_(resource_table.c.type == kind, resource_table.c.id == id_)
                held = db.execute(sa.select(resource_table.c.patient).where(here)).scalar()
                if held is not None:  # of others we know nothing, and need to know nothing
                    db.execute(resource_table.delete().where(here))
                    note(db, kind, id_, DELETED, "", held)
                    counts.setdefault(kind, Counter())[DELETED] += 1
        return counts

    def contents(self, kind: str) -> Iterator[bytes]:
        """Every resource of a type as it is kept, by id."""
        table = resource_table
        query = sa.select(table.c.content).where(table.c.type == kind).order_by(table.c.id)
        with self.engine.connect().execution_options(yield_per=500) as db:
            yield from db.execute(query).scalars()

    def held(self, kind: str) -> set[str]:
        """The ids of all resources of a type."""
        query = sa.select(resource_table.c.id).where(resource_table.c.type == kind)
        with self.engine.begin() as db:
            return set(db.execute(query).scalars())

    def changes(self) -> list[dict[str, str]]:
        """What is to be put right where it was used before."""
        table = change_table
        query = sa.select(table.c.type, table.c.id, table.c.what, table.c.detail)
        with self.engine.begin() as db:
            rows = db.execute(query.order_by(table.c.type, table.c.id, table.c.what)).all()
        return [
            {"resourceType": row.type, "id": row.id, "what": row.what, "detail": row.detail}
            for row in rows
        ]

    @contextmanager
    def run(self) -> Iterator[dict[str, Any]]:
        """Record a run: yields what is to be filled in; an exception is its outcome, by name."""
        counts: dict[str, Any] = {}
        with self.engine.begin() as db:
            key = db.execute(run_table.insert().values(started=_now())).inserted_primary_key
        number, outcome = int(key[0]) if key else 0, "ended"
        try:
            yield counts
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            ended = {"ended": _now(), "outcome": outcome, "counts": dumps(counts).decode()}
            with self.engine.begin() as db:
                db.execute(run_table.update().where(run_table.c.id == number).values(ended))


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _of(crawl: Crawl) -> sa.Update:
    table = crawl_table
    return table.update().where(table.c.child == crawl.child, table.c.type == crawl.type)


def _close(db: sa.Connection, crawl: Crawl) -> None:
    """All was read: the next time counts from when this one began."""
    done = {"state": "done", "since": crawl.began, "began": None, "failed": 0}
    db.execute(_of(crawl).values(done))
    _unmark(db, crawl)


def _unmark(db: sa.Connection, crawl: Crawl) -> None:
    table = page_table
    of_it = sa.and_(table.c.child == crawl.child, table.c.type == crawl.type)
    db.execute(table.delete().where(of_it))


def _forget(db: sa.Connection, key: str) -> None:
    """A child that is no longer of the cohort leaves nothing behind."""
    here = child_table.c.key == key
    patient = db.execute(sa.select(child_table.c.patient).where(here)).scalar()
    if patient is not None:
        erase(db, patient)
    for table in (crawl_table, page_table):
        db.execute(table.delete().where(table.c.child == key))
    db.execute(child_table.delete().where(here))
