"""How fast we are beside fhir.resources and HL7's validator, in one run on one machine.

    python tests/official/bench.py --packages DIR [--oracle DIR] [--json] [--fail-below RATIO]

The resources are the official R4 examples of five types. Each figure is the median of five passes
in one process and one thread; the official validator's is its last of three passes, warm.
"""

# ruff: noqa: T201  a script
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson

sys.path += [str(Path(__file__).parents[2])]

import oracle
from mutate import load

TYPES = "Observation Specimen ResearchStudy ResearchSubject AdverseEvent".split()
PASSES = 5
BP = "http://hl7.org/fhir/StructureDefinition/bp"
BP_CODE = "85354-9"
START = """
import sys, time
before = time.perf_counter()
from adapter.validation.validator import Validator
imported = time.perf_counter()
validator = Validator("R4")
validator.validate(sys.stdin.buffer.read())
print(imported - before, time.perf_counter() - imported)
"""


def originals(packages: list[Path]) -> list[bytes]:
    """The official examples of the five types."""
    _, examples = load(packages)
    return [content for kind in TYPES for _, content in examples.get(kind, [])]


Work = tuple[Callable[[Any], object], list[Any]]


def rates(works: dict[str, Work]) -> dict[str, float]:
    """Items a second of each work: the median of five warm passes of at least 0.3 s.

    The works take turns, so that whatever else the machine does slows them alike.
    """
    passes: dict[str, list[float]] = {name: [] for name in works}
    times = {}
    for name, (work, items) in works.items():
        elapsed(work, items, 1)
        times[name] = max(1, round(0.3 / elapsed(work, items, 1)))
    for _ in range(PASSES):
        for name, (work, items) in works.items():
            passes[name].append(times[name] * len(items) / elapsed(work, items, times[name]))
    return {name: statistics.median(each) for name, each in passes.items()}


def elapsed(work: Callable[[Any], object], items: list[Any], times: int) -> float:
    """Seconds that so many passes over the items take."""
    begun = time.perf_counter()
    for _ in range(times):
        for item in items:
            work(item)
    return time.perf_counter() - begun


def models() -> Callable[[dict[str, Any]], None]:
    """What fhir.resources does with a resource: ``model_validate``, whatever it says."""
    kinds = {}
    for kind in TYPES:
        kinds[kind] = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)

    def work(resource: dict[str, Any]) -> None:
        try:
            kinds[resource["resourceType"]].model_validate(resource)
        except ValueError:
            return

    return work


def official(driver: Path, texts: list[bytes], copies: int, arguments: list[str]) -> float:
    """HL7's rate: one thread, its last pass; without ``--repeat``, what more copies cost."""
    lines = [orjson.dumps(orjson.loads(text)) for text in texts]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "resources.ndjson"
        file.write_bytes(b"\n".join(lines * copies) + b"\n")
        if (driver / "classes" / "OracleCore.class").exists():
            asked = ["--threads", "1", "--repeat", "3", *arguments, str(file)]
            passes = oracle.run(driver, "R4", asked).summary["passSeconds"]
            return len(lines) * copies / float(passes[-1])
        spent = []
        for times in (copies, 3 * copies):
            file.write_bytes(b"\n".join(lines * times) + b"\n")
            begun = time.perf_counter()
            oracle.run(driver, "R4", ["--threads", "1", *arguments, str(file)])
            spent.append(time.perf_counter() - begun)
        return len(lines) * 2 * copies / (spent[1] - spent[0])


def start(text: bytes) -> tuple[float, float]:
    """Seconds to import, and to the first verdict after that, in a new process."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-c", START],
        input=text,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    first, second = done.stdout.split()
    return float(first), float(second)


def measure(packages: list[Path], driver: Path | None) -> dict[str, float]:
    """Every figure by name; rates are resources a second."""
    from adapter.validation.validator import Validator

    texts = originals(packages)
    resources = [orjson.loads(text) for text in texts]
    pressures = [r for r in resources if BP_CODE in json.dumps(r.get("code", {}))]
    validator = Validator("R4")
    figures: dict[str, float] = {"resources": len(resources), "bp resources": len(pressures)}
    works: dict[str, Work] = {
        "ours, parsed JSON": (validator.validate, resources),
        "ours, bytes": (validator.validate, texts),
        "ours, bp profile": (lambda r: validator.validate(r, profiles=[BP]), pressures),
        "fhir.resources": (models(), resources),
    }
    for kind in TYPES:
        some = [r for r in resources if r["resourceType"] == kind]
        works[f"ours, {kind}"] = (validator.validate, some)
    figures |= rates(works)
    figures["ours, import s"], figures["ours, first verdict s"] = start(texts[0])
    figures["ratio to fhir.resources"] = figures["ours, parsed JSON"] / figures["fhir.resources"]
    if driver:
        figures["official"] = official(driver, texts, 10, [])
        bp = [orjson.dumps(r) for r in pressures]
        figures["official, bp profile"] = official(driver, bp, 100, ["--profile", BP])
        figures["ratio to official"] = figures["ours, parsed JSON"] / figures["official"]
        figures["ratio to official, bp"] = (
            figures["ours, bp profile"] / figures["official, bp profile"]
        )
    return figures


def main() -> int:
    """Prints the figures; 1 when we are less than so many times as fast as the official one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, nargs="+", required=True)
    parser.add_argument("--oracle", type=Path, help="where the official validator was built")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--fail-below", type=float, default=0.0, help="times the official's speed")
    parser.add_argument("--fail-below-models", type=float, default=0.0, help="times fhir.resources")
    given = parser.parse_args()
    figures = measure(given.packages, given.oracle)
    if given.json:
        print(json.dumps({k: round(v, 4) for k, v in figures.items()}, indent=1))
    else:
        for name, figure in figures.items():
            print(f"{name:28} {figure:12,.3f}" if figure < 20 else f"{name:28} {figure:12,.0f}")
    slow = figures.get("ratio to official", given.fail_below) < given.fail_below
    return 1 if slow or figures["ratio to fhir.resources"] < given.fail_below_models else 0


if __name__ == "__main__":
    sys.exit(main())
