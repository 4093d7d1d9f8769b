"""How fast the sync is, in one run on one machine.

    python tests/servers/bench.py STUDY [--server URL] [--plan-size N] [--json]

``sink``: the study pushed to a server that accepts everything at once, outbox commits included;
over one connection, as there is no answer to wait for.
``raw`` and ``push``: the same bundles posted to a real server by a loop that does nothing else, and
by a push (each to a server of its own: an embedded one, or ``--server`` with fresh ids), in turns.
``second``: the command ``push`` once more, when there is nothing to do, from start to end.
``plan``: planning so many resources of which none has changed, from NDJSON and the hashes that
mapping gave them, with its peak memory.
Machines are noisy: what is short is measured several times, and the median is shown.
"""

# ruff: noqa: E402, T201  a script
from __future__ import annotations

import argparse
import gc
import json
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import requests

sys.path[:0] = [str(Path(__file__).parents[2])]

from adapter.cli import COLLECTING
from adapter.fhir.bundles import Limits, packed, writing
from adapter.fhir.json import content_hash, dumps, loads_answer
from adapter.fhir.order import references
from adapter.mapping import map_study
from adapter.outbox import Outbox, Server, plan, push
from adapter.outbox.changes import Change, stage_of
from adapter.outbox.tables import change_table
from adapter.study import Study

SINK_TURNS, SERVER_TURNS, SECOND_TURNS = 5, 3, 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line of NDJSON and the hash that mapping gave it: read exactly only if it is sent."""

    line: bytes
    digest: str
    subject: str = ""
    source: str | None = None

    @property
    def reference(self) -> str:
        """``Type/id``."""
        quick = orjson.loads(self.line)
        return f"{quick['resourceType']}/{quick['id']}"

    @property
    def resource(self) -> dict[str, Any]:
        """The resource, its decimals with all their digits."""
        found: dict[str, Any] = loads_answer(self.line)
        return found


def fresh(folder: Path, name: str) -> Outbox:
    """A new outbox."""
    return Outbox.open(folder / name, study="S", release="R4", key_fingerprint="k")


@contextmanager
def embedded() -> Iterator[str]:
    """A new embedded server in a process of its own, by its URL."""
    program = [sys.executable, str(Path(__file__).with_name("embedded.py"))]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        if process.stdin is None or process.stdout is None:
            raise SystemExit("no pipes")
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.stdin.close()


@contextmanager
def sink() -> Iterator[str]:
    """A server that accepts everything at once, in a process of its own, by its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, str(Path(__file__).with_name("sink.py")), str(port)]
    with subprocess.Popen(program) as process:  # noqa: S603
        try:
            _await(port)
            yield f"http://127.0.0.1:{port}/fhir"
        finally:
            process.kill()


def second_push(study: Path, folder: Path, url: str) -> float:
    """Seconds of a push that finds everything as it was, as a process of its own; the median."""
    copy = shutil.copytree(study, folder / "study")
    command = [Path(sys.executable).with_name("study-fhir"), "push", copy, "--server", url]
    spent = []
    for _ in range(SECOND_TURNS + 1):
        begun = time.perf_counter()
        ran = subprocess.run([*command, "--format", "json"], capture_output=True, check=False)  # noqa: S603
        spent.append(time.perf_counter() - begun)
        did = json.loads(ran.stdout)["push"]
    if did["created"] or did["updated"] or not did["unchanged"]:
        raise SystemExit(f"the second push wrote: {did}")
    return median(spent[1:])


def push_rate(folder: Path, name: str, url: str, mapped: list[Any], workers: int) -> float:
    """Resources a second of one push with a new outbox."""
    with fresh(folder, name) as outbox:
        begun = time.perf_counter()
        done = push(outbox, Server("bench", url), mapped, workers=workers)
        spent = time.perf_counter() - begun
    if done.created != len(mapped):
        raise SystemExit(f"{done.created} of {len(mapped)} created")
    return len(mapped) / spent


def raw_rate(url: str, mapped: list[Any]) -> float:
    """Resources a second of a loop that posts the prepared bundles, and looks at no answer."""
    changes = []
    for each in mapped:
        change = Change(each.reference, each.subject, dumps(each.resource), "")
        change.body = each.resource
        change.targets = tuple(references(each.resource))
        change.stage = stage_of(each.resource, each.subject)
        changes.append(change)
    subjects: dict[tuple[int, str], list[Change]] = {}
    for change in changes:
        subjects.setdefault((change.stage, change.subject), []).append(change)
    ordered = [subjects[key] for key in sorted(subjects)]
    bundles = []
    for bundle in packed(ordered, Limits()):
        flat = [change for group in bundle for change in group]
        bundles.append(dumps(writing(url, "transaction", flat)))
    headers = {"Content-Type": "application/fhir+json", "Prefer": "return=minimal"}
    with requests.Session() as session:
        begun = time.perf_counter()
        for body in bundles:
            session.post(url, data=body, headers=headers, timeout=300).raise_for_status()
        return len(changes) / (time.perf_counter() - begun)


def planned(folder: Path, mapped: list[Any], size: int) -> tuple[float, float]:
    """Seconds to plan so many unchanged resources from NDJSON, and MB that memory grew."""
    lines = [dumps(each.resource) for each in mapped]
    file, hashes = folder / "all.ndjson", folder / "all.sha256"
    with (
        fresh(folder, "plan.sqlite") as outbox,
        file.open("wb") as out,
        hashes.open("w", encoding="ascii") as known,
    ):
        row = outbox.server_id(Server("bench", "http://127.0.0.1:1/fhir"))
        rows = []
        for number in range(size):
            one = loads_answer(lines[number % len(lines)])
            one["id"] = f"s{number}"
            out.write(dumps(one) + b"\n")
            digest = content_hash(one)
            known.write(f"{digest}\n")
            rows.append({"server": row, "reference": f"{one['resourceType']}/{one['id']}",
                         "subject": "", "content": b"{}", "hash": digest, "state": "done",
                         "attempts": 1, "acked_hash": digest, "version": "1"})  # fmt: skip
            if len(rows) == 10_000 or number == size - 1:
                with outbox._engine.begin() as db:
                    db.execute(change_table.insert(), rows)
                rows = []
        out.flush()
        known.flush()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = time.perf_counter()
        found = plan(outbox, Server("bench", "http://127.0.0.1:1/fhir"), _read(file, hashes))
        spent = time.perf_counter() - begun
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if found.unchanged != size or found.items:
        raise SystemExit(f"{found.unchanged} of {size} unchanged: {found.items[:3]}")
    return spent, grown / 1024


def _read(file: Path, hashes: Path) -> Iterator[Wanted]:
    with file.open("rb") as lines, hashes.open(encoding="ascii") as known:
        for line, digest in zip(lines, known, strict=True):
            yield Wanted(line, digest.rstrip())


def measure(study: Path, url: str | None, size: int) -> dict[str, float]:
    """Every figure by name."""
    figures: dict[str, float] = {}
    mapped = map_study(Study(study)).resources
    figures["resources"] = len(mapped)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with sink() as sink_url:
            figures["sink, raw, a second"] = raw_rate(sink_url, mapped)
            figures["sink, push, a second"] = median(
                push_rate(folder, f"sink-{turn}.sqlite", sink_url, mapped, 1)
                for turn in range(SINK_TURNS)
            )
            figures["second push, seconds"] = second_push(study, folder, sink_url)
        if url is None:
            raw, pushed = _in_turns(folder, mapped)
            figures["server, raw, a second"] = median(raw)
            figures["server, push, a second"] = median(pushed)
            figures["push by raw"] = median(p / r for p, r in zip(pushed, raw, strict=True))
        else:
            figures["server, push, a second"] = push_rate(folder, "s.sqlite", url, mapped, 2)
        if size:
            seconds, grown = planned(folder, mapped, size)
            figures["planned"] = size
            figures["plan, seconds"], figures["plan, MB more"] = seconds, grown
    return figures


def _in_turns(folder: Path, mapped: list[Any]) -> tuple[list[float], list[float]]:
    """Rates of the raw loop and of a push, each to a new server, one after the other."""
    raw, pushed = [], []
    for turn in range(SERVER_TURNS):
        with embedded() as url:
            raw.append(raw_rate(url, mapped))
        with embedded() as url:
            pushed.append(push_rate(folder, f"server-{turn}.sqlite", url, mapped, 2))
    return raw, pushed


def _await(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--server", help="push to this one instead of an embedded one")
    parser.add_argument("--plan-size", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    gc.set_threshold(*COLLECTING)  # as the command line does
    figures = measure(given.study, given.server, given.plan_size)
    if given.json:
        print(json.dumps({name: round(figure, 3) for name, figure in figures.items()}, indent=1))
        return
    for name, figure in figures.items():
        print(f"{name:26} {figure:12,.2f}" if figure < 100 else f"{name:26} {figure:12,.0f}")


if __name__ == "__main__":
    main()
