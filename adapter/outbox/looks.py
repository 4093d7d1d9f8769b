"""What people look at in an outbox: what was refused, and how everything stands."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from adapter.fhir.json import loads
from adapter.outbox import ledger, refusals
from adapter.outbox.changes import STORED, Change
from adapter.outbox.database import Database
from adapter.outbox.tables import REFUSED, change_table, ledger_table, run_table, server_table


class Looks(Database):
    """The part of an outbox that people look at."""

    def dead(self, server: int) -> list[Change]:
        """The dead letters and what is parked, with their content."""
        table = change_table
        query = (
            sa.select(*STORED)
            .where(table.c.server == server, table.c.state.in_(REFUSED))
            .order_by(table.c.reference)
        )
        with self._reading() as db:
            return [Change(*row) for row in db.execute(query)]

    def refused(self, server: int, references: Collection[str]) -> dict[str, refusals.Refused]:
        """What the server answered to these, by reference, where it is why they are refused."""
        with self._reading() as db:
            return refusals.read(db, server, references)

    def status(self) -> dict[str, Any]:
        """Counts by server, type and state, and the last ten runs."""
        table = change_table
        counted = sa.select(table.c.server, table.c.reference, table.c.state)
        servers, runs = [], []
        with self._reading() as db:
            counts: dict[int, dict[str, dict[str, int]]] = {}
            for number, reference, state in db.execute(counted):
                kind = reference.partition("/")[0]
                by_state = counts.setdefault(number, {}).setdefault(kind, {})
                by_state[state] = by_state.get(state, 0) + 1
            for server in db.execute(sa.select(server_table)):
                resources = dict(sorted(counts.get(server.id, {}).items()))
                servers.append({"name": server.name, "uuid": server.uuid, "url": server.url,
                                "resources": resources})  # fmt: skip
            latest = sa.select(run_table).order_by(run_table.c.id.desc()).limit(10)
            for run in db.execute(latest):
                runs.append({"id": run.id, "kind": run.kind, "started": run.started,
                             "ended": run.ended, "outcome": run.outcome,
                             "counts": loads(run.counts) if run.counts else {}})  # fmt: skip
            broken = ledger.first_broken(db)
            lines = db.execute(sa.select(sa.func.count()).select_from(ledger_table)).scalar_one()
        return {"servers": servers, "runs": runs, "ledger": {"lines": lines, "broken": broken}}
