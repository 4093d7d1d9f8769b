"""A push in a process of its own, which can be killed: at a marked point, or at any time.

    python tests/faults/child.py DATABASE URL VALUE CHILDREN [POINT NUMBER]

Pushes the study of ``study.py`` with the first result VALUE and so many children. At the NUMBER-th
time that it comes to POINT, it kills itself with SIGKILL: no handler runs, nothing is tidied up.
DATABASE is a file, or the URL of a PostgreSQL. A name in the environment, CHILD, goes along with
every request.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2])]

from adapter.errors import StudyFhirError  # noqa: E402  after the path
from adapter.fhir.transport import Transport  # noqa: E402
from adapter.outbox import Outbox, Server, push  # noqa: E402
from adapter.outbox.leases import Leases  # noqa: E402
from tests.faults.study import study  # noqa: E402

# where a process dies: the method, and whether before or after it has done its work
POINTS = {
    "run-begins": (Outbox, "server_id", "after"),
    "enqueue-before": (Outbox, "enqueue", "before"),
    "enqueue-after": (Outbox, "enqueue", "after"),
    "claim-before": (Outbox, "claim", "before"),
    "claim-after": (Outbox, "claim", "after"),
    "sent-before": (Outbox, "mark_sent", "before"),
    "sent-after": (Outbox, "mark_sent", "after"),
    "request-before": (Transport, "post", "before"),
    "request-after": (Transport, "post", "after"),
    "acknowledge-before": (Outbox, "mark", "before"),
    "acknowledge-after": (Outbox, "mark", "after"),
    "release-before": (Leases, "release", "before"),
    "release-after": (Leases, "release", "after"),
}


def die_at(point: str, number: int) -> None:
    """Make the number-th call at this point the last thing that happens."""
    owner, name, when = POINTS[point]
    whole = getattr(owner, name)
    calls = [0]

    def deadly(*args: Any, **more: Any) -> Any:
        calls[0] += 1
        last = calls[0] == number
        if last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = whole(*args, **more)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, name, deadly)


def named(server: Server) -> Transport:
    """An impatient way to the server, which tells who comes."""
    transport = Transport(server.url, timeout=0.2, deadline=0.4)
    transport._session.headers["From"] = os.environ.get("CHILD", "")
    return transport


def main(database: str, url: str, value: str, children: str, *point: str) -> int:
    """Push once; 4 when the server did not answer."""
    if point:
        die_at(point[0], int(point[1]))
    wanted = study(float(value), int(children))
    at = database if "://" in database else Path(database)
    with Outbox.open(at, study="T", release="R4", key_fingerprint="k") as outbox:
        server = Server("test", url)
        outbox.learn(outbox.server_id(server), "max-entries", "6")  # many requests to die between
        try:
            push(
                outbox, server, wanted, wait=20,
                transport_factory=named,
                sleep=lambda seconds: time.sleep(min(seconds, 0.01)),
            )  # fmt: skip
        except StudyFhirError:
            return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
