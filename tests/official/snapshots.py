"""Our snapshots of published profiles beside the published ones.

    python tests/official/snapshots.py --release R4 FOLDER [FOLDER...]

A folder is an unpacked npm package. Compared is what decides a verdict; differences are counted by
the key of the element that differs, with one example each.
"""

# ruff: noqa: T201  a script
from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from adapter.validation.definitions import Definitions
from adapter.validation.elements import type_code
from adapter.validation.snapshot import SnapshotError, generate

PLAIN = ("path", "sliceName", "min", "max", "contentReference")
VALUES = ("fixed", "pattern", "minValue", "maxValue")


def published(folders: list[Path]) -> list[dict[str, Any]]:
    """The profiles of packages that come with a differential and a snapshot."""
    found = []
    for folder in folders:
        inner = folder / "package" if (folder / "package").is_dir() else folder
        for file in sorted(inner.glob("StructureDefinition-*.json")):
            one = json.loads(file.read_bytes())
            if one.get("derivation") == "constraint" and "snapshot" in one:
                found.append(one)
    return found


def normal(element: dict[str, Any]) -> dict[str, Any]:
    """What of an element decides a verdict, the order of its types and rules aside."""
    held = {key: element.get(key) for key in PLAIN}
    held.update({key: element[key] for key in element if key.startswith(VALUES)})
    held["type"] = sorted(
        (type_code(t), sorted(t.get("profile", [])), sorted(t.get("targetProfile", [])))
        for t in element.get("type", [])
    )
    binding = element.get("binding", {})
    held["binding"] = (binding.get("strength"), str(binding.get("valueSet")).partition("|")[0])
    held["constraint"] = sorted(c["key"] for c in element.get("constraint", []))
    return held


def differences(profile: dict[str, Any], definitions: Definitions) -> dict[str, str]:
    """Key -> the id of an element where ours is not the published one."""
    bare = {key: value for key, value in profile.items() if key != "snapshot"}
    try:
        ours = {e["id"]: normal(e) for e in generate(bare, definitions.structure)}
    except SnapshotError as error:
        return {"none": str(error)}
    theirs = {e["id"]: normal(e) for e in profile["snapshot"]["element"]}
    found = {}
    for given in ours.keys() ^ theirs.keys():
        found["missing" if given in theirs else "extra"] = given
    for given in ours.keys() & theirs.keys():
        for key in ours[given].keys() | theirs[given].keys():
            if ours[given].get(key) != theirs[given].get(key):
                found[key] = given
    return found


def main() -> int:
    """Prints how many are equal, and each kind of difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", choices=["R4", "R4B", "R5"], default="R4")
    parser.add_argument("folders", nargs="+", type=Path)
    given = parser.parse_args()
    definitions = Definitions(given.release)
    profiles = published(given.folders)
    for profile in profiles:
        definitions.add(profile)
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for profile in profiles:
        found = differences(profile, definitions)
        counts["equal"] += not found
        for key, where in found.items():
            counts[key] += 1
            examples.setdefault(key, f"{profile['url']} {where}")
    print(f"{len(profiles)} profiles")
    for key, count in counts.most_common():
        print(f"{count:6} {key:18} {examples.get(key, '')}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
