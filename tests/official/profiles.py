"""Examples of implementation guides, whole and mutated: our verdicts and HL7's.

    python tests/official/profiles.py --out DIR [--oracle DIR] PACKAGE [PACKAGE...]

A package is an unpacked npm folder of a guide. Its examples claim its profiles in meta.profile;
``--core`` and ``--core-examples`` add the R4 core profiles, each forced on the core examples of
its type.
"""

# ruff: noqa: T201  a script
from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

sys.path += [str(Path(__file__).parents[2])]

from compare import Case, by, cases, groups, score, show
from mutate import MAX_BYTES, WEIGHTS, Model, Mutator, load

Found = tuple[dict[str, Any], dict[str, Any]]
# Bundles of guides are large, and one costs the official validator as much as fifty resources.
LARGE = 200_000
MOST = 40  # core examples of one type: there are 1,316 value sets


def content(package: Path) -> Path:
    """Where a package's resources lie."""
    return package / "package" if (package / "package").is_dir() else package


def examples(package: Path) -> list[tuple[str, dict[str, Any]]]:
    """(file, resource) of every example of a guide, definitions left out."""
    found = []
    for path in sorted((content(package) / "example").glob("*.json")):
        if path.stat().st_size > LARGE:
            continue
        resource = json.loads(path.read_bytes())
        if isinstance(resource, dict) and resource.get("resourceType") in ("StructureDefinition",):
            continue
        if isinstance(resource, dict) and resource.get("resourceType"):
            found.append((path.name, resource))
    return found


def core_examples(package: Path) -> list[tuple[str, dict[str, Any]]]:
    """Core examples, each with a core profile of its type claimed in meta.profile."""
    profiles: dict[str, list[str]] = {}
    _, by_type = load([package])
    for path in sorted(content(package).glob("StructureDefinition-*.json")):
        found = json.loads(path.read_bytes())
        if found.get("derivation") == "constraint" and found["type"] != "Extension":
            profiles.setdefault(found["type"], []).append(found["url"])
    made = []
    for kind, urls in profiles.items():
        for place, (name, text) in enumerate(by_type.get(kind, [])[:MOST]):
            resource = json.loads(text)
            for url in urls if place < 3 else urls[place % len(urls) :][:1]:
                claimed = deepcopy(resource)
                claimed.setdefault("meta", {})["profile"] = [url]
                made.append((name, claimed))
    return made


def mutants(
    model: Model, originals: list[tuple[str, dict[str, Any]]], seed: int, count: int
) -> Iterator[Found]:
    """The originals, then mutants of those that are not too large."""
    for name, resource in originals:
        yield resource, note(name, resource, "original", "")
    rng = random.Random(seed)  # noqa: S311  not for secrets
    mutator = Mutator(model, rng)
    small = [o for o in originals if len(json.dumps(o[1])) <= MAX_BYTES]
    done = 0
    while small and done < count:
        name, resource = rng.choice(small)
        mutant = deepcopy(resource)
        fault = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        path = mutator.mutate(mutant, fault)
        if path is None:
            continue
        done += 1
        yield mutant, note(name, resource, fault, path)


def note(name: str, resource: dict[str, Any], fault: str, path: str) -> dict[str, Any]:
    """What is known of a mutant."""
    return {"source": name, "type": resource["resourceType"], "class": fault, "path": path}


def write(found: Iterator[Found], path: Path) -> None:
    """Resources, and their notes beside them."""
    notes = path.with_suffix(".meta.ndjson")
    with path.open("w", encoding="utf-8") as out, notes.open("w", encoding="utf-8") as about:
        for resource, told in found:
            out.write(json.dumps(resource, ensure_ascii=False, separators=(",", ":")) + "\n")
            about.write(json.dumps(told) + "\n")


def main() -> int:
    """Prints the measures of each package and the disagreements; 1 when one is below the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path, nargs="*")
    parser.add_argument("--core", type=Path, nargs="+", required=True, help="base definitions")
    parser.add_argument("--core-profiles", action="store_true", help="the core's own profiles too")
    parser.add_argument("--release", default="R4", choices=["R4", "R4B", "R5"])
    parser.add_argument("--oracle", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder for mutants and verdicts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=600, help="mutants of each package")
    parser.add_argument("--most", type=int, default=15)
    parser.add_argument("--group")
    parser.add_argument("--by", choices=["class", "type"])
    parser.add_argument("--fail-below", type=float, default=0.0)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    model, _ = load(given.core)
    worst = 100.0
    jobs = [(p.name, examples(p), [p]) for p in given.packages]
    if given.core_profiles:
        jobs.append((f"core-{given.release.lower()}", core_examples(given.core[0]), []))
    for name, originals, packages in jobs:
        path = given.out / f"{name}.ndjson"
        write(mutants(model, originals, given.seed, given.count), path)
        inside = [content(p).resolve() for p in packages]
        arguments = [a for p in inside for a in ("--ig", str(p))]
        found = cases(path, given.release, given.oracle, arguments, {"packages": inside})
        worst = min(worst, report(name, found, given))
    return 1 if worst < given.fail_below else 0


def report(name: str, found: list[Case], given: argparse.Namespace) -> float:
    """Prints one package; its agreement in percent."""
    whole = score([c for c in found if c.meta["class"] == "original"])
    measured = score(found)
    print(f"\n######## {name}\n-- examples as published\n{whole.lines()}")
    print(f"-- with mutants\n{measured.lines()}")
    if given.by:
        print(by(found, given.by))
    show(groups(found), 3, given.most, given.group)
    return measured.agreement


if __name__ == "__main__":
    sys.exit(main())
