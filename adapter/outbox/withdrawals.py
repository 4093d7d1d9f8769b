"""The subjects that were withdrawn: nothing of them is sent again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import sqlalchemy as sa

from adapter.fhir.json import dumps
from adapter.outbox import ledger
from adapter.outbox.changes import STORED, Change, parts
from adapter.outbox.database import Database, now
from adapter.outbox.leases import LeaseLostError, insert_for
from adapter.outbox.marker import Marker
from adapter.outbox.tables import IN_DOUBT, Stage, change_table, server_table, tombstone_table

BURIED = sa.select(tombstone_table.c.subject).where(tombstone_table.c.server == sa.bindparam("at"))
ANY_BURIED = BURIED.limit(1)  # mostly there is none, and this is asked with every bundle
BARRED = BURIED.where(tombstone_table.c.subject.in_(sa.bindparam("subjects", expanding=True)))


class Withdrawals(Database):
    """The part of an outbox that knows who was withdrawn."""

    def withdrawn(self, server: int) -> frozenset[str]:
        """The subjects that were withdrawn from a server."""
        with self._reading() as db:
            return frozenset(db.execute(BURIED, {"at": server}).scalars())

    def withdraw(self, server: int, subject: str, deletions: Sequence[Change]) -> None:
        """Block a subject for ever and want its resources gone, in one transaction."""
        with self._engine.begin() as db:
            _bury(db, server, [subject])
            ledger.append(db, withdrawn=subject, server=server, resources=len(deletions), at=now())
            for change in deletions:
                db.execute(
                    change_table.update()
                    .where(
                        change_table.c.server == server,
                        change_table.c.reference == change.reference,
                    )
                    .values(
                        action="delete",
                        state=change.state,
                        stage=Stage.SUBJECT_DELETION,
                        reason=None,
                    )
                )
            turn_back(db, server, [subject])
        self._note()

    def entomb(self, server: int, subject: str, proven: bool, remains: dict[str, str]) -> None:
        """Write down what is left of a withdrawn subject on the server."""
        table = tombstone_table
        with self._engine.begin() as db:
            db.execute(
                table.update()
                .where(table.c.server == server, table.c.subject == subject)
                .values(proven=proven, remains=dumps(remains).decode())
            )
            ledger.append(db, withdrawn=subject, proven=proven, remains=len(remains), at=now())

    def of_subject(self, server: int, subject: str) -> list[Change]:
        """Everything of a subject, with its content."""
        table = change_table
        query = sa.select(*STORED).where(table.c.server == server, table.c.subject == subject)
        with self._reading() as db:
            return [Change(*row) for row in db.execute(query)]

    def inherit(self) -> None:
        """Block who was withdrawn when another outbox, lost since, stood in the place of this."""
        lost = self._lost()
        if lost is None:
            return
        with self._reading() as db:
            is_new = any(True for _ in _not_buried(db, lost))
        if is_new:
            with self._engine.begin() as db:
                bury_lost(db, lost)
            self._note()


def barred(db: sa.Connection, server: int, changes: Iterable[Change]) -> frozenset[str]:
    """Those whose data would be sent, and who were withdrawn in the meantime."""
    if db.execute(ANY_BURIED, {"at": server}).first() is None:
        return frozenset()
    subjects = {change.subject for change in changes if change.action == "put"} - {""}
    return frozenset(db.execute(BARRED, {"at": server, "subjects": sorted(subjects)}).scalars())


def withdrawn_meanwhile() -> LeaseLostError:
    """What stops a worker that is still about to send what is to be deleted by now."""
    return LeaseLostError(
        "a subject was withdrawn while this process was working on it",
        hint="nothing more of it is sent: it is deleted",
    )


def turn_back(db: sa.Connection, server: int, subjects: Collection[str]) -> None:
    """Whatever is still wanted of withdrawn subjects is to be deleted instead."""
    table = change_table
    for part in parts(subjects):
        here = sa.and_(
            table.c.server == server,
            table.c.subject.in_(part or []),
            table.c.action == "put",
            table.c.state != "withdrawn",
        )
        on_its_way = table.c.state.in_(IN_DOUBT)
        state = sa.case((on_its_way, "unknown"), else_="new")
        db.execute(
            table.update()
            .where(here)
            .values(action="delete", state=state, stage=Stage.SUBJECT_DELETION, reason=None)
        )


def bury_lost(db: sa.Connection, lost: Marker) -> None:
    """Take over who was withdrawn, as the marker of a lost outbox says, for the servers known."""
    for server, subjects in list(_not_buried(db, lost)):
        _bury(db, server, subjects)
        turn_back(db, server, subjects)
        ledger.append(db, inherited=len(subjects), server=server, at=now())


def _not_buried(db: sa.Connection, lost: Marker) -> Iterable[tuple[int, list[str]]]:
    table = tombstone_table
    for row in db.execute(sa.select(server_table.c.id, server_table.c.name)).all():
        known = sa.select(table.c.subject).where(table.c.server == row.id)
        subjects = set(lost.withdrawn.get(row.name, ())) - set(db.execute(known).scalars())
        if subjects:
            yield row.id, sorted(subjects)


def _bury(db: sa.Connection, server: int, subjects: Iterable[str]) -> None:
    rows = [{"server": server, "subject": subject, "at": now(), "proven": False, "remains": "{}"}
            for subject in subjects]  # fmt: skip
    db.execute(insert_for(db)(tombstone_table).on_conflict_do_nothing(), rows)
