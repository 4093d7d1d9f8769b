"""What must be sent, kept safely: store, planner, relay, verifier."""

from typing import Any

from adapter.outbox.dead_letters import DeadLetter, dead_letter, dead_letters, drop, retry
from adapter.outbox.lessons import Lessons
from adapter.outbox.live import agree, plan_live
from adapter.outbox.marker import marker_of
from adapter.outbox.planner import Item, Plan, differences, plan
from adapter.outbox.pushing import push
from adapter.outbox.records import Records
from adapter.outbox.relay import PushResult, connect
from adapter.outbox.retraction import Retraction, block, knows, retract
from adapter.outbox.store import Outbox, Server
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
    "connect",
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
    "vanish",
    "verify",
]
