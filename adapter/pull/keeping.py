"""What becomes of a resource that came in: new, updated, a duplicate, or taken out again."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from adapter.pull.sieve import DROPPED, IN_ERROR, SKIPPED, Found
from adapter.pull.tables import change_table, resource_table

DELETED, MERGED = "deleted", "replaced-by"
NEW, UPDATED, DUPLICATE = "new", "updated", "duplicates"
Counts = dict[str, Counter[str]]  # by resource type, then by what became of it


def erase(db: sa.Connection, patient: str) -> None:
    """Nothing of a patient is left."""
    for table in (resource_table, change_table):
        db.execute(table.delete().where(table.c.patient == patient))


def note(db: sa.Connection, kind: str, id_: str, what: str, detail: str, patient: str) -> None:
    """Put something on the list of what is to be put right."""
    row = {"type": kind, "id": id_, "what": what, "detail": detail, "patient": patient}
    db.execute(insert(change_table).values(row).on_conflict_do_nothing())


def keep(db: sa.Connection, found: Sequence[Found]) -> Counts:
    """Keep resources; says what became of them, by type."""
    counts: Counts = {}
    for each in found:
        if each.verdict == DROPPED:
            _withdraw(db, each)
        became = _kept(db, each) if each.id and each.verdict != DROPPED else each.verdict
        counts.setdefault(each.type, Counter())[became] += 1
    return counts


def _withdraw(db: sa.Connection, found: Found) -> None:
    """What was kept, and is now said to be of somebody outside the cohort, is taken out."""
    table = resource_table
    here = sa.and_(table.c.type == found.type, table.c.id == found.id)
    patient = db.execute(sa.select(table.c.patient).where(here)).scalar()
    if patient is not None:
        db.execute(table.delete().where(here))
        note(db, found.type, found.id, DROPPED, found.reason, patient)


def _kept(db: sa.Connection, found: Found) -> str:
    """Keep one resource, or take out what was kept of it; says what became of it."""
    here = sa.and_(resource_table.c.type == found.type, resource_table.c.id == found.id)
    table = resource_table
    query = sa.select(table.c.version, table.c.updated, table.c.digest).where(here)
    held = db.execute(query).one_or_none()
    if held is not None and _is_older(found, held.version, held.updated):
        return DUPLICATE
    listed = sa.and_(change_table.c.type == found.type, change_table.c.id == found.id)
    db.execute(change_table.delete().where(listed))
    if found.verdict in (SKIPPED, IN_ERROR):
        db.execute(table.delete().where(here))
        note(db, found.type, found.id, found.verdict, found.reason, found.patient)
        return found.verdict
    if found.replaced_by is not None:
        note(db, found.type, found.id, MERGED, found.replaced_by, found.patient)
    if held is not None and _is_same(found, held):
        return DUPLICATE
    values = {
        name: getattr(found, name)
        for name in ("type", "id", "patient", "version", "updated", "digest", "content")
    }
    upsert = insert(table).values(values)
    db.execute(upsert.on_conflict_do_update(index_elements=["type", "id"], set_=values))
    return NEW if held is None else UPDATED


def _is_same(found: Found, held: Any) -> bool:
    """By version and time, as far as they are stated, else by content."""
    pairs = [(found.version, held.version), (found.updated, held.updated)]
    stated = [ours == theirs for ours, theirs in pairs if ours is not None and theirs is not None]
    return all(stated) if stated else bool(found.digest == held.digest)


def _is_older(found: Found, version: str | None, updated: str | None) -> bool:
    """Whether what comes in is older than what is held, and nothing says otherwise.

    A server's clocks may differ from node to node, and its version numbers begin again after it
    was restored: where the two disagree, what was read last counts.
    """
    signs = [_order(_moment(found.updated), _moment(updated))]
    if found.version and version and _is_number(found.version, version):
        signs.append(_order(float(found.version), float(version)))
    told = [sign for sign in signs if sign]
    return bool(told) and all(sign < 0 for sign in told)


def _is_number(*versions: str) -> bool:
    return all(each.isascii() and each.isdigit() for each in versions)


def _order(one: float | None, other: float | None) -> int:
    if one is None or other is None:
        return 0
    return (one > other) - (one < other)


def _moment(text: str | None) -> float | None:
    try:
        found = dt.datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found.timestamp() if found and found.tzinfo else None
