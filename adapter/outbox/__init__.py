"""What must be sent, kept safely: store, planner, relay, verifier."""

from typing import Any

from adapter.outbox.planner import Item, Plan, differences, plan
from adapter.outbox.relay import PushResult, push
from adapter.outbox.store import Outbox, Server
from adapter.outbox.verifier import VerifyResult, verify


def status(outbox: Outbox) -> dict[str, Any]:
    """Counts by server, type and state, and the last runs."""
    return outbox.status()


__all__ = [
    "Item",
    "Outbox",
    "Plan",
    "PushResult",
    "Server",
    "VerifyResult",
    "differences",
    "plan",
    "push",
    "status",
    "verify",
]
