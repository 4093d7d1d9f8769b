"""Runs HL7's official validator over NDJSON, each resource once: verdicts are kept beside it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BAD = ("error", "fatal")


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one run: the issues of each line, and the summary."""

    issues: dict[tuple[str, int], list[dict[str, Any]]]
    summary: dict[str, Any]


def command(oracle: Path, release: str, arguments: Sequence[str] = ()) -> list[str]:
    """The command line of the driver that was built in a folder."""
    home = oracle.resolve()
    driver = "OracleCore" if (home / "classes" / "OracleCore.class").exists() else ""
    alone = ["--ignore-references", "--allow-example-urls"]  # mutants know nothing of each other
    only = ["--errors-only"] if driver else alone
    return [
        "java",
        "-Xmx3g",
        "-XX:+UseParallelGC",
        f"-Duser.home={home / 'home'}",
        "-cp",
        f"{home / 'classes'}:{home / 'lib'}/*",
        driver or "OfficialValidator",
        "--fhir",
        release,
        *only,
        *arguments,
    ]


def run(oracle: Path, release: str, arguments: Sequence[str]) -> Run:
    """Runs the driver; raises RuntimeError when it gives no summary."""
    found: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    summary: dict[str, Any] = {}
    done = subprocess.run(  # noqa: S603
        command(oracle, release, arguments), capture_output=True, text=True, check=False
    )
    for text in done.stdout.split("\n"):
        if not text.startswith("{"):
            continue
        issue = json.loads(text)
        if issue.get("summary"):
            summary = issue
            continue
        issue.setdefault("severity", "error")
        found[issue["file"], issue["line"]].append(issue)
    if not summary:
        raise RuntimeError(f"the official validator gave no summary: {done.stderr[-2000:]}")
    return Run(found, summary)


def key(line: str, arguments: Sequence[str] = ()) -> str:
    """Names a resource and what it was validated against."""
    return hashlib.sha256("\0".join([line, *arguments]).encode()).hexdigest()


def lines(path: Path) -> list[str]:
    """The resources of an NDJSON file; only line feeds separate them."""
    return [text for text in path.read_text(encoding="utf-8").split("\n") if text.strip()]


def verdicts(
    oracle: Path | None, release: str, path: Path, arguments: Sequence[str] = (), threads: int = 2
) -> list[list[dict[str, Any]]]:
    """The official errors of every line: those kept beside the file, the rest by a run.

    Raises RuntimeError when some are unknown and there is no validator.
    """
    cache = path.with_suffix(".official.ndjson")
    known: dict[str, list[dict[str, Any]]] = {}
    if cache.exists():
        for text in lines(cache):
            entry = json.loads(text)
            known[entry["sha256"]] = entry["errors"]
    texts = lines(path)
    keys = [key(text, [release, *arguments]) for text in texts]
    unknown = {k: t for k, t in zip(keys, texts, strict=True) if k not in known}
    if unknown:
        if oracle is None:
            raise RuntimeError(f"{len(unknown)} resources of {path} have no verdict: give --oracle")
        known.update(_ask(oracle, release, unknown, arguments, threads, cache))
    return [known[k] for k in keys]


def _ask(
    oracle: Path,
    release: str,
    unknown: dict[str, str],
    arguments: Sequence[str],
    threads: int,
    cache: Path,
) -> dict[str, list[dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "asked.ndjson"
        asked.write_text("\n".join(unknown.values()) + "\n", encoding="utf-8")
        result = run(oracle, release, ["--threads", str(threads), *arguments, str(asked)])
    answers = {
        k: [_short(i) for i in result.issues.get((str(asked), n), []) if i["severity"] in BAD]
        for n, k in enumerate(unknown, 1)
    }
    with cache.open("a", encoding="utf-8") as out:
        for k, errors in answers.items():
            out.write(json.dumps({"sha256": k, "errors": errors}, ensure_ascii=False) + "\n")
    return answers


def _short(issue: dict[str, Any]) -> dict[str, Any]:
    return {name: issue.get(name) for name in ("severity", "path", "message", "messageId")}
