"""What a server makes of what it is sent: elements that it does not keep, numbers that it rounds.

Where it holds something else at exactly the version that it acknowledged, nobody but the server
changed it. That is told once, remembered by its hash, and no difference from then on.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from adapter.fhir.json import canonical, normalised
from adapter.fhir.writing import version_of
from adapter.outbox.changes import parts
from adapter.outbox.leases import insert_for
from adapter.outbox.planner import differences
from adapter.outbox.store import Outbox
from adapter.outbox.tables import normalised_table

Resource = dict[str, Any]
Pairs = Mapping[str, tuple[Resource, Resource]]  # what we sent and what is held, by reference


@dataclass(slots=True)
class Told:
    """Who changed what is held: ``different`` are references that others changed.

    ``normalised`` counts what the server changed and nobody was told of yet, ``paths`` where.
    """

    different: list[str] = field(default_factory=list)
    normalised: int = 0
    paths: Counter[str] = field(default_factory=Counter)


def tell_apart(outbox: Outbox, server: int, pairs: Pairs) -> Told:
    """Tell what the server made of our content from what others did, and remember it."""
    told = Told()
    if not pairs:
        return told
    known = outbox.known(server, pairs.keys())
    before = _remembered(outbox, server, pairs)
    new = []
    for reference, (sent, held) in pairs.items():
        digest, version = held_hash(held), version_of(held)
        remembered = before.get(reference)
        if remembered and remembered.hash == digest:
            continue
        acknowledged = known[reference].version
        if (
            version is None
            or version != acknowledged
            or (remembered and remembered.version == version)
        ):
            told.different.append(reference)
            continue
        new.append({"server": server, "reference": reference, "version": version, "hash": digest})
        told.normalised += 1
        told.paths.update(_paths(sent, held))
    _remember(outbox, new)
    return told


def remembered(outbox: Outbox, server: int, references: Collection[str]) -> dict[str, str]:
    """The hash of what the server is known to make of these, by reference."""
    return {name: row.hash for name, row in _remembered(outbox, server, references).items()}


def held_hash(resource: Resource) -> str:
    """sha256 of a resource as FHIR compares it."""
    return hashlib.sha256(canonical(normalised(resource))).hexdigest()


def _paths(sent: Resource, held: Resource) -> set[str]:
    """The elements in which they differ, without positions in lists."""
    every = differences(normalised(held), normalised(sent), with_values=False)
    return {re.sub(r"\[\d+\]", "", each["path"]) for each in every}


def _remembered(outbox: Outbox, server: int, references: Collection[str]) -> dict[str, Any]:
    table = normalised_table
    query = sa.select(table).where(table.c.server == server)
    found = {}
    with outbox._reading() as db:
        for part in parts(references):
            for row in db.execute(query.where(table.c.reference.in_(part or []))):
                found[row.reference] = row
    return found


def _remember(outbox: Outbox, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    with outbox._engine.begin() as db:
        insert = insert_for(db)(normalised_table)
        new = {name: insert.excluded[name] for name in ("version", "hash")}
        db.execute(
            insert.on_conflict_do_update(index_elements=["server", "reference"], set_=new), rows
        )
