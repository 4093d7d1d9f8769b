"""Why a server refused what it refused: its OperationOutcome, as long as nothing was decided.

Codes and places stand as text; what the server wrote in words may hold values and is kept as
bytes, like the content that it speaks of.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from adapter.fhir.json import dumps, loads
from adapter.outbox.leases import insert_for
from adapter.outbox.tables import refusal_table

if TYPE_CHECKING:
    from adapter.fhir.writing import Verdict
    from adapter.outbox.changes import Change

CHUNK = 500
ANY_REFUSED = (
    sa.select(refusal_table.c.reference)
    .where(refusal_table.c.server == sa.bindparam("at"))
    .limit(1)
)
DECIDED = ("done", "withdrawn", "dropped")


@dataclass(frozen=True, slots=True)
class Refused:
    """What the server answered: ``words`` are those of ``issues``, in the same order."""

    status: int
    count: int
    issues: tuple[dict[str, Any], ...] = ()
    words: tuple[dict[str, str], ...] = ()
    is_unknown_profile: bool = False

    def to_json(self, with_values: bool = False) -> dict[str, Any]:
        """The answer as one object; what the server wrote in words only with values."""
        issues = [dict(issue) for issue in self.issues]
        if with_values:
            for issue, words in zip(issues, self.words, strict=False):
                issue |= words
        return {"status": self.status, "count": self.count, "issues": issues}


def keep(db: sa.Connection, server: int, changes: Sequence[Change]) -> None:
    """Write down the answers by which these changes are refused; forget those that are settled."""
    refused = [c for c in changes if c.state in ("dead", "parked")]
    if not refused and not _any(db, server):
        return
    settled = [c.reference for c in changes if c.state in DECIDED]
    forget(db, server, [*settled, *(c.reference for c in refused)])
    rows = [_row(server, c.reference, c.answer) for c in refused if c.answer]
    if rows:
        db.execute(insert_for(db)(refusal_table).on_conflict_do_nothing(), rows)


def _any(db: sa.Connection, server: int) -> bool:
    return db.execute(ANY_REFUSED, {"at": server}).first() is not None


def forget(db: sa.Connection, server: int, references: Sequence[str]) -> None:
    """Nothing is known any more of why these were refused."""
    table = refusal_table
    for start in range(0, len(references), CHUNK):
        some = table.c.reference.in_(references[start : start + CHUNK])
        db.execute(table.delete().where(table.c.server == server, some))


def read(db: sa.Connection, server: int, references: Collection[str]) -> dict[str, Refused]:
    """What the server answered to these, by reference, where it said more than a status."""
    table = refusal_table
    names = sorted(references)
    found = {}
    for start in range(0, len(names), CHUNK):
        some = table.c.reference.in_(names[start : start + CHUNK])
        for row in db.execute(sa.select(table).where(table.c.server == server, some)):
            bare = loads(row.issues)
            found[row.reference] = Refused(
                row.status, bare["count"], tuple(bare["issues"]), tuple(loads(row.said)),
                bare["unknownProfile"],
            )  # fmt: skip
    return found


def _row(server: int, reference: str, answer: Verdict) -> dict[str, Any]:
    said = answer.said
    bare = {
        "count": said.count if said else 0,
        "unknownProfile": bool(said and said.is_unknown_profile),
        "issues": said.issues if said else (),
    }
    return {
        "server": server, "reference": reference, "status": answer.status,
        "issues": dumps(bare).decode(), "said": dumps(said.words if said else ()),
    }  # fmt: skip
