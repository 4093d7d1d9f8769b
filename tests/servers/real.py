"""The reference study on real servers: what a person would do in a year, and what must hold.

    python tests/servers/real.py STUDY [--hapi DIR] [--medplum DIR] [--only NAME]... [--table FILE]
        [--subjects N]

On each server: push all; read everything back and compare it with what ``map`` wrote; push again
(no write, no request); change a cell; withdraw a subject; kill a push in the middle and push again.
After each, ``verify`` must find nothing missing, different or dangling. DIR is what
``hapi/setup.sh`` and ``medplum/setup.sh`` built; without it that server is skipped, aloud.
"""

# ruff: noqa: S603, T201  a script that starts programs
from __future__ import annotations

import argparse
import csv
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1])]

from adapter.fhir.bundles import read_all  # noqa: E402
from adapter.fhir.json import content_hash, equal, loads  # noqa: E402
from adapter.fhir.omit import without  # noqa: E402
from adapter.outbox import transport_to  # noqa: E402
from adapter.service import outboxes  # noqa: E402  after the path
from adapter.settings import load_study  # noqa: E402
from tests.servers.started import Running, every_server  # noqa: E402

COMMAND = [sys.executable, "-c", "from adapter.cli import main; main()"]
SERVER = "hospital"
STRICT = ("hapi-strict",)
BEGIN, END = "<!-- begin servers -->", "<!-- end servers -->"
FORMS, LABORATORY = "data/forms.csv", "data/laboratory.csv"


@dataclass(slots=True)
class Row:
    """One server's line in the table."""

    name: str
    facts: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def must(self, holds: bool, what: str) -> None:
        """Note a fault unless this holds."""
        if not holds:
            self.faults.append(what)
            print(f"   FAULT: {what}", flush=True)


def run(*words: object, wanted: tuple[int, ...] = (0, 1)) -> tuple[str, float]:
    """The output of a command, and its seconds. Exits when it ends otherwise."""
    begun = time.perf_counter()
    done = subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode not in wanted:
        raise SystemExit(f"{words} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout, time.perf_counter() - begun


def push(study: Path, server: str) -> tuple[dict[str, int], dict[str, int], float]:
    """Counts of a push, of the resources by type, and its seconds."""
    text, seconds = run("push", study, "--server", server, "--format", "json")
    said = json.loads(text.splitlines()[-1])
    return said["push"], said["resources"], seconds


def verified(study: Path, server: str, row: Row, after: str) -> int:
    """How many resources verify looked at; anything it finds is a fault."""
    text, _ = run("verify", study, "--server", server)
    counts = {
        words[0]: int(words[1].replace(",", ""))
        for line in text.splitlines()
        if len(words := line.split()) == 2 and words[1].replace(",", "").isdigit()
    }
    for name in ("missing", "different", "dangling"):
        row.must(counts[name] == 0, f"{counts[name]} {name} after {after}")
    return counts["checked"]


def copy(study: Path, to: Path, server: Running) -> Path:
    """A copy of the study folder with a key of its own, and with the server in its settings."""
    shutil.copytree(study, to, ignore=shutil.ignore_patterns(".study-fhir"))
    with (to / "study.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\nservers:\n  {SERVER}: {server.entry}\n")
    return to


def fewer(study: Path, to: Path, subjects: int) -> Path:
    """A copy of the study folder with the rows of its first subjects alone."""
    shutil.copytree(study, to, ignore=shutil.ignore_patterns(".study-fhir"))
    kept: dict[str, None] = {}
    for path in (to / FORMS, to / LABORATORY):
        with path.open(newline="", encoding="utf-8") as lines:
            header, *rows = csv.reader(lines)
        place = header.index("record_id")
        if path == to / FORMS:
            kept = dict.fromkeys(list(dict.fromkeys(row[place] for row in rows))[:subjects])
        with path.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out, lineterminator="\n").writerows(
                [header, *(row for row in rows if row[place] in kept)]
            )
    return to


def change_a_cell(study: Path) -> None:
    """The first result that is a plain number gets another value."""
    path = study / LABORATORY
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.reader(lines))
    place = rows[0].index("result")
    first = next(r for r in rows[1:] if r[place].replace(".", "").isdigit())
    first[place] = str(float(first[place]) + 1)
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out, lineterminator="\n").writerows(rows)


def mapped(study: Path, folder: Path) -> Path:
    """The folder with what the study maps to."""
    out = folder / "mapped"
    run("map", study, "--out", out)
    return out


def two_of_an_arm(study: Path, folder: Path) -> list[str]:
    """The references of two subjects that one list names."""
    lines = (mapped(study, folder) / "Group.ndjson").read_text(encoding="utf-8").splitlines()
    arms = (json.loads(line).get("member", []) for line in lines)
    first, *_, last = next(members for members in arms if len(members) > 1)
    return [member["entity"]["reference"] for member in (first, last)]


def read_back(row: Row, study: Path, files: Path) -> None:
    """Every resource, read from the server, is FHIR-equal to what ``map`` wrote.

    What study.yaml spares the server is left out of both. Numbers whose digits the server does not
    keep (1.10 as 1.1) are equal by value, and counted.
    """
    server = load_study(study).server(SERVER)
    spared = outboxes.omission_of(server)
    transport = transport_to(outboxes.server_of(server))
    different, normalised, read = 0, 0, 0
    for file in sorted(files.glob("*.ndjson")):
        every = (loads(line) for line in file.read_bytes().splitlines())
        wanted = {f"{r['resourceType']}/{r['id']}": without(r, spared, Counter()) for r in every}
        held = read_all(transport, list(wanted))
        for name, resource in wanted.items():
            read += 1
            same = name in held and equal(held[name], resource)
            different += not same
            normalised += same and content_hash(held[name]) != content_hash(resource)
    transport.close()
    row.facts["read back"] = f"{read - different:,} equal, {normalised:,} of them normalised"
    row.must(different == 0, f"{different} resources are not what was mapped")


def a_year(name: str, server: Running, study: Path) -> Row:
    """Everything that happens to the study on one server."""
    row = Row(name)
    if name in STRICT:
        text, seconds = run("profiles", "push", "--server", server.url, wanted=(0, 3))
        said = dict(line.split()[:2] for line in text.splitlines()[:4])
        row.facts["profiles push"] = (
            f"{said['created']} in {seconds:.0f} s, {said['refused']} refused"
        )
    print(f"== {name}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mine = copy(study, folder / "study", server)
        counts, kinds, seconds = push(mine, SERVER)
        total = sum(kinds.values())
        row.facts["push"] = (
            f"{counts['created']:,} in {seconds:.0f} s, {counts['requests']} requests"
        )
        # what was created without an answer in time is found by reading, and counts as unchanged
        there = counts["created"] + counts["unchanged"]
        row.must(there == total and not counts["dead"], f"not all created: {counts}")
        seen = total + counts["records"]
        row.must(verified(mine, SERVER, row, "push") == seen, "verify saw another number")
        read_back(row, mine, mapped(mine, folder))
        counts, _, seconds = push(mine, SERVER)
        row.facts["again"] = f"{counts['unchanged']:,} unchanged in {seconds:.1f} s"
        idle = counts["created"] + counts["updated"] + counts["requests"] == 0
        row.must(idle, f"the second push did something: {counts}")
        change_a_cell(mine)
        counts, _, _ = push(mine, SERVER)
        row.facts["a changed cell"] = f"{counts['updated']} updated"
        row.must(counts["updated"] == 1 and counts["created"] == 0, f"a changed cell: {counts}")
        withdrawn(row, mine, folder)
        killed(row, copy(study, folder / "killed", server), total)
    return row


def withdrawn(row: Row, study: Path, folder: Path) -> None:
    """Two subjects of one arm withdraw, one after the other."""
    deleted, remain = 0, 0
    for subject in two_of_an_arm(study, folder):
        text, _ = run("retract", study, subject, "--server", SERVER, "--format", "json")
        done = json.loads(text.splitlines()[-1])
        deleted, remain = deleted + done["deleted"], remain + len(done["remains"])
        row.must(done["proven"], f"a withdrawal leaves {done['remains']}")
    row.facts["two withdrawals"] = f"{deleted} deleted, {remain} remain"
    counts, _, _ = push(study, SERVER)
    row.must(counts["created"] + counts["updated"] == 0, f"after two withdrawals: {counts}")
    verified(study, SERVER, row, "two withdrawals")


def killed(row: Row, other: Path, total: int) -> None:
    """A push is killed in the middle; the next one goes on."""
    words = [*COMMAND, "push", str(other), "--server", SERVER]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    outbox = other / ".study-fhir" / "outbox.sqlite"
    await_that(lambda: acknowledged(outbox) > total // 4)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = acknowledged(outbox)
    row.must(0 < before < total, "the push was over before it could be killed")
    counts, _, _ = push(other, SERVER)
    row.facts["kill -9"] = f"at {before:,}; then {counts['created']:,} created"
    row.must(counts["dead"] == 0, f"after kill -9: {counts}")
    row.must(verified(other, SERVER, row, "kill -9") >= total, "something was lost by kill -9")


def acknowledged(outbox: Path) -> int:
    """How many changes are done."""
    if not outbox.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{outbox}?mode=ro", uri=True, timeout=5) as db:
            found = db.execute("SELECT count(*) FROM change WHERE state = 'done'").fetchone()
    except sqlite3.Error:
        return 0
    return int(found[0])


def await_that(holds: Callable[[], bool]) -> None:
    """Wait until something holds, for five minutes at most."""
    for _ in range(3000):
        if holds():
            return
        time.sleep(0.1)
    raise SystemExit("nothing happened for five minutes")


def write_table(text: str, file: Path) -> None:
    """Put the table where the page has it, between its marks."""
    page = file.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{file} has no {BEGIN} and {END}")
    file.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def table(rows: list[Row]) -> str:
    """What happened on each server, as a table."""
    names = list(dict.fromkeys(name for row in rows for name in row.facts))
    lines = ["| server | " + " | ".join(names) + " | faults |", "| --- " * (len(names) + 2) + "|"]
    for row in rows:
        cells = [row.facts.get(name, "") for name in names]
        lines.append(f"| {row.name} | " + " | ".join(cells) + f" | {len(row.faults) or 'none'} |")
    return "\n".join(lines)


def main() -> int:
    """Run the year on each server; 1 when anything was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--hapi", type=Path, help="where hapi/setup.sh built the server")
    parser.add_argument("--medplum", type=Path, help="where medplum/setup.sh installed it")
    parser.add_argument("--only", action="append", help="a server's name; all if not given")
    parser.add_argument(
        "--subjects", type=int, help="only so many of the study's; all if not given"
    )
    parser.add_argument("--table", type=Path, help="put the table into this page, docs/servers.md")
    given = parser.parse_args()
    servers = every_server(given.medplum, given.hapi)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        study = given.study
        if given.subjects:
            study = fewer(study, Path(temporary) / "few", given.subjects)
        for name in given.only or servers:
            with servers[name]() as server:
                rows.append(a_year(name, server, study))
            print("   " + "; ".join(f"{fact}: {said}" for fact, said in rows[-1].facts.items()))
    text = table(rows)
    print(text)
    if given.table:
        write_table(text, given.table)
    return 1 if any(row.faults for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
