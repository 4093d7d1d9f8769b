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
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1])]

import yaml  # noqa: E402

from adapter.fhir.bundles import read_all  # noqa: E402  after the path
from adapter.fhir.json import content_hash, equal, loads  # noqa: E402
from adapter.fhir.omit import Omission, without  # noqa: E402
from adapter.fhir.transport import Transport  # noqa: E402

COMMAND = [sys.executable, "-c", "from adapter.cli import main; main()"]
SERVER = "hospital"
# What must be left out for a server, beside its URL in study.yaml; the strict one gets profiles.
# HAPI 8.8 knows these two code systems as FHIR 4.0.1 spelled them, the official validator as now.
SYSTEMS = "http://terminology.hl7.org/CodeSystem/adverse-event-"
SETTINGS = {
    "hapi-strict": ", omit-extensions: ['http://hl7.org/fhir/5.0/'], "
    f"omit-codings: ['{SYSTEMS}seriousness', '{SYSTEMS}causality-assess']"
}
STRICT = ("hapi-strict",)
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


def copy(study: Path, to: Path, url: str, settings: str) -> Path:
    """A copy of the study folder with a key of its own, and with the server in its settings."""
    shutil.copytree(study, to, ignore=shutil.ignore_patterns(".study-fhir"))
    with (to / "study.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\nservers:\n  {SERVER}: {{url: '{url}'{settings}}}\n")
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


def a_subject(study: Path, folder: Path) -> str:
    """The pseudonymous id of a subject that was sent."""
    lines = (mapped(study, folder) / "Patient.ndjson").read_text(encoding="utf-8").splitlines()
    return str(json.loads(lines[len(lines) // 2])["id"])


def read_back(row: Row, url: str, files: Path, settings: str) -> None:
    """Every resource, read from the server, is FHIR-equal to what ``map`` wrote.

    What ``settings`` spare the server is left out of both. Numbers whose digits the server does not
    keep (1.10 as 1.1) are equal by value, and counted.
    """
    spared = load_omission(settings)
    transport = Transport(url)
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


def load_omission(settings: str) -> Omission:
    """What the settings of a server in study.yaml leave out for it."""
    spec = yaml.safe_load(f"{{url: x{settings}}}")
    lists = (tuple(spec.get(name, ())) for name in ("omit-extensions", "omit-codings"))
    return Omission(*lists)


def a_year(name: str, url: str, study: Path, settings: str) -> Row:
    """Everything that happens to the study on one server."""
    row = Row(name)
    if name in STRICT:
        text, seconds = run("profiles", "push", "--server", url, wanted=(0, 3))
        said = dict(line.split()[:2] for line in text.splitlines()[:4])
        row.facts["profiles push"] = (
            f"{said['created']} in {seconds:.0f} s, {said['refused']} refused"
        )
    print(f"== {name}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mine = copy(study, folder / "study", url, settings)
        counts, kinds, seconds = push(mine, SERVER)
        total = sum(kinds.values())
        row.facts["push"] = (
            f"{counts['created']:,} in {seconds:.0f} s, {counts['requests']} requests"
        )
        row.must(counts["created"] == total and not counts["dead"], f"not all created: {counts}")
        seen = total + counts["records"]
        row.must(verified(mine, SERVER, row, "push") == seen, "verify saw another number")
        read_back(row, url, mapped(mine, folder), settings)
        counts, _, seconds = push(mine, SERVER)
        row.facts["again"] = f"{counts['unchanged']:,} unchanged in {seconds:.1f} s"
        idle = counts["created"] + counts["updated"] + counts["requests"] == 0
        row.must(idle, f"the second push did something: {counts}")
        change_a_cell(mine)
        counts, _, _ = push(mine, SERVER)
        row.facts["a changed cell"] = f"{counts['updated']} updated"
        row.must(counts["updated"] == 1 and counts["created"] == 0, f"a changed cell: {counts}")
        subject = a_subject(mine, folder)
        text, _ = run("retract", mine, subject, "--server", SERVER, "--format", "json")
        done = json.loads(text.splitlines()[-1])
        row.facts["a withdrawal"] = f"{done['deleted']} deleted, {len(done['remains'])} remain"
        row.must(done["proven"], f"a withdrawal leaves {len(done['remains'])}")
        counts, _, _ = push(mine, SERVER)
        row.must(counts["created"] + counts["updated"] == 0, f"after a withdrawal: {counts}")
        verified(mine, SERVER, row, "a withdrawal")
        killed(row, url, study, folder, total, settings)
    return row


def killed(row: Row, url: str, study: Path, folder: Path, total: int, settings: str) -> None:
    """A push is killed in the middle; the next one goes on."""
    other = copy(study, folder / "killed", url, settings)
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
    import sqlite3

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


@contextmanager
def sekmet() -> Iterator[str]:
    """The embedded server, in a process of its own."""
    program = [sys.executable, str(HERE / "embedded.py")]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("no pipes")
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.stdin.close()


@contextmanager
def medplum(build: Path) -> Iterator[str]:
    """Medplum's FHIR router with its repository in memory."""
    with subprocess.Popen(
        ["node", "server.mjs"],  # noqa: S607  whichever node there is
        cwd=build,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("no pipes")
        try:
            yield process.stdout.readline().split()[1].decode()
        finally:
            process.stdin.close()


@contextmanager
def hapi(build: Path, **properties: Any) -> Iterator[str]:
    """HAPI FHIR JPA on H2 in memory; its log goes to a file, for a full pipe would stop it."""
    settings = [f"-D{name.replace('_', '.')}={value}" for name, value in properties.items()]
    words = ["java", "-Xmx1g", "-XX:+UseSerialGC", "-Dport=0", "-Dparent=true", *settings, "-cp",
             f"{build}/target/hapi-peer-1.jar:{build}/target/lib/*", "peer.HapiPeer"]  # fmt: skip
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        if process.stdin is None or process.stdout is None:
            raise SystemExit("no pipes")
        try:
            for line in process.stdout:
                if line.startswith(b"READY"):
                    yield line.split()[1].decode()
                    return
            raise SystemExit("HAPI did not start")
        finally:
            process.stdin.close()


def table(rows: list[Row]) -> str:
    """The table for docs/servers.md."""
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
    parser.add_argument("--table", type=Path, help="write the table here too")
    given = parser.parse_args()
    servers: dict[str, Any] = {"sekmet": sekmet}
    if given.medplum:
        servers["medplum"] = lambda: medplum(given.medplum)
    else:
        print("skipped: Medplum's router (give --medplum DIR; it needs node and npm)")
    if given.hapi:
        servers["hapi"] = lambda: hapi(given.hapi)
        limit = {"storage_maximumTransactionBundleSize": 100}
        servers["hapi-100"] = lambda: hapi(given.hapi, **limit)
        servers["hapi-strict"] = lambda: hapi(given.hapi, validate="true")
    else:
        print("skipped: HAPI (give --hapi DIR; it needs java and mvn)")
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        study = given.study
        if given.subjects:
            study = fewer(study, Path(temporary) / "few", given.subjects)
        for name in given.only or servers:
            with servers[name]() as url:
                rows.append(a_year(name, url, study, SETTINGS.get(name, "")))
            print("   " + "; ".join(f"{fact}: {said}" for fact, said in rows[-1].facts.items()))
    text = table(rows)
    print(text)
    if given.table:
        given.table.write_text(text + "\n", encoding="utf-8")
    return 1 if any(row.faults for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
