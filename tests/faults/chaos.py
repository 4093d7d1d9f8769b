"""Days on which everything goes wrong at random, from a seed, and what must hold after them.

    python tests/faults/chaos.py --seeds 20      [--first 1]
    python tests/faults/chaos.py --kills 1000    [--first 1]

A seed is a study that changes several times while most answers are spoiled and its pushes are
killed, and what was on its way lands late. Afterwards nothing may be lost, doubled or stale, and
nothing may have been written over without a version but by a first write that was late.
A seed that fails prints what happened; ``--first`` runs it again.
"""

# ruff: noqa: S603, S311, T201  a script that starts programs, at random
from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2])]

from adapter.fhir.transport import Transport  # noqa: E402  after the path
from adapter.outbox import Outbox, Server, push  # noqa: E402
from tests.faults import invariants  # noqa: E402
from tests.faults.faults import Fault  # noqa: E402
from tests.faults.quirks import SEARCHING, STATEMENT, Quirks  # noqa: E402
from tests.faults.server import ScriptedServer  # noqa: E402
from tests.faults.study import study  # noqa: E402

CHILD = [sys.executable, str(Path(__file__).parent / "child.py")]
BEFORE = ("reset", "silent", "html", "garbage", "status")
AFTER = ("reset", "silent", "cut-headers", "cut-body", "cut-chunk", "empty", "html", "wrong-gzip",
         "status", "late", "later")  # fmt: skip
SPOILED = 0.6  # of all writes
CHILDREN = 12
CHANGES = 5  # contents of a study in a seed


class RandomServer(ScriptedServer):
    """A server whose faults are drawn, and written down."""

    def __init__(self, rng: random.Random):
        super().__init__(quirks=Quirks(capability=rng.choice((STATEMENT, SEARCHING))))
        self.rng, self.events, self.is_calm = rng, list[str](), False

    def fault_at(self, kind: str) -> Fault | None:
        """A fault for more than half of the writes, and for some of the reads."""
        number = self.asked[kind] = self.asked[kind] + 1
        spoiled = self.rng.random() < (SPOILED if kind == "write" else 0.1)
        fault = None
        if spoiled and not self.is_calm:
            after = kind == "write" and self.rng.random() < 0.6
            name = self.rng.choice(AFTER if after else BEFORE)
            status = self.rng.choice((429, 500, 502, 503, 504))
            is_late = name in ("late", "later")
            fault = Fault(name, kind, after=after and not is_late, status=status)
        told = f"{fault.name} {'after' if fault.after else 'before'}" if fault else "fine"
        self.events.append(f"{kind} {number}: {told}")
        return fault


def one_seed(seed: int, kills: int) -> int:
    """Live through one seed; returns the number of kills. Raises AssertionError."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, RandomServer(rng) as server:
        database = Path(folder) / "o.sqlite"
        killed, value = 0, 0.0
        try:
            for _ in range(CHANGES):
                value += 1
                killed += _pushes(rng, server, database, value, kills - killed)
            server.carry_out([*server.late, *server.after_next])
            _holds(server, database, value)
        except AssertionError:
            print(f"seed {seed}:", *server.events, sep="\n   ")
            raise
    return killed


def _pushes(
    rng: random.Random, server: RandomServer, database: Path, value: float, kills: int
) -> int:
    """Some pushes of one content, killed or not; returns how many were killed."""
    killed = 0
    for _ in range(rng.randint(1, 3)):
        words = [*CHILD, str(database), server.url, str(value), str(CHILDREN)]
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as child:
            if killed < kills and rng.random() < 0.8:
                started = time.monotonic()
                moment = rng.uniform(0.0, 1.2)
                while child.poll() is None and time.monotonic() - started < 0.3 + moment:
                    time.sleep(0.01)
                if child.poll() is None:
                    child.kill()
                    killed += 1
                    server.events.append("killed")
            child.wait()
        server.events.append(f"push of {value} ended with {child.returncode}")
    return killed


def _holds(server: RandomServer, database: Path, value: float) -> None:
    server.is_calm = True
    wanted = study(value, CHILDREN)
    at = Server("test", server.url)
    with Outbox.open(database, study="T", release="R4", key_fingerprint="k") as outbox:
        push(outbox, at, wanted, transport_factory=lambda to: Transport(to.url))
        push(outbox, at, wanted, transport_factory=lambda to: Transport(to.url))  # looks once more
        last = push(outbox, at, wanted, transport_factory=lambda to: Transport(to.url))
        assert (last.writes, last.dead, last.requests) == (0, 0, 0), last
        invariants.nothing_lost(outbox, at, wanted, server.store)
        invariants.nothing_doubled(server.store)
        invariants.nothing_stale(outbox, at, wanted, server.store, frozenset())
        invariants.nothing_leaked(database)
    assert server.store.blind == [], "something was written over without If-Match"


def main() -> int:
    """Run the seeds, or as many as it takes for so many kills."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--first", type=int, default=1)
    given = parser.parse_args()
    begun, killed, seed = time.monotonic(), 0, given.first
    while seed < given.first + given.seeds or killed < given.kills:
        before = killed
        killed += one_seed(seed, kills=max(given.kills - killed, 10 if given.seeds else 0))
        seed += 1
        if killed // 100 > before // 100:
            print(f"{killed} kills so far, the last seed is {seed - 1}", flush=True)
    print(
        f"{seed - given.first} seeds, {killed} kills: 0 lost, 0 doubled, 0 stale "
        f"({time.monotonic() - begun:.0f} s)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
