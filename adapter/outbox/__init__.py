"""A server kept in step: what must be sent is kept safely, sent, and proven.

Decided   planner, live (against what the server holds), vanished, normalising, identity
Kept      store: the outbox, of the parts servers, withdrawals, decisions, looks, leases,
          ledger, refusals, marker and waiting (what comes next); tables, changes (a row),
          engine, opening, migrations
Sent      pushing starts workers; relay splits and sends again; exchange looks, writes, and writes
          down what was proven; setbacks decides what was not; single writes alone; patience
          waits; lessons are what a server taught us; places are ids that it gave; records tell
          the server of the run
Read      verifier, reading
Withdrawn retraction
Refused   dead_letters: looked at, tried again, dropped (made in setbacks)
"""

from typing import Any

from adapter.outbox.changes import Server
from adapter.outbox.dead_letters import DeadLetter, dead_letter, dead_letters, drop, retry
from adapter.outbox.lessons import Lessons
from adapter.outbox.live import agree, plan_live
from adapter.outbox.marker import marker_of
from adapter.outbox.planner import Item, Plan, differences, plan
from adapter.outbox.pushing import push
from adapter.outbox.records import Records
from adapter.outbox.retraction import Retraction, block, knows, retract
from adapter.outbox.run import PushResult, transport_to
from adapter.outbox.store import Outbox
from adapter.outbox.vanished import Absence, recall, vanish
from adapter.outbox.verifier import VerifyResult, verify


def status(outbox: Outbox) -> dict[str, Any]:
    """Counts by server, type and state, and the last runs."""
    return outbox.status()


__all__ = [
    "Absence",
    "DeadLetter",
    "Item",
    "Lessons",
    "Outbox",
    "Plan",
    "PushResult",
    "Records",
    "Retraction",
    "Server",
    "VerifyResult",
    "agree",
    "block",
    "dead_letter",
    "dead_letters",
    "differences",
    "drop",
    "knows",
    "marker_of",
    "plan",
    "plan_live",
    "push",
    "recall",
    "retract",
    "retry",
    "status",
    "transport_to",
    "vanish",
    "verify",
]
