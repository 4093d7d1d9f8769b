"""Every element of every official example of a type broken in turn; who notices?

    python tests/official/systematic.py --packages DIR [DIR...] --out DIR [--oracle DIR]

Each element is dropped, given another JSON type, emptied and renamed, and each code is made
unknown. Prints the share of the official validator's rejections that ours rejects too, and the
false alarms on the originals.
"""

# ruff: noqa: T201  a script
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

sys.path += [str(Path(__file__).parents[2])]

from compare import Case, by, cases, groups, near, score, show, steps
from mutate import Model, Node, load, walk

TYPES = "Observation Specimen ResearchStudy ResearchSubject AdverseEvent".split()
LARGEST = 100_000  # the one ResearchStudy of R5 has 66 kB
Change = Callable[[Node], None]


def _drop(node: Node) -> None:
    del node.holder[node.key]


def _type(node: Node) -> None:
    value = node.value
    node.value = {"unexpected": 1} if not isinstance(value, dict | list) else "text"


def _empty(node: Node) -> None:
    value = node.value
    node.value = [] if isinstance(value, list) else {} if isinstance(value, dict) else ""


def _rename(node: Node) -> None:
    items = [(key + "X" if key == node.key else key, v) for key, v in node.holder.items()]
    node.holder.clear()
    node.holder.update(items)


def _always(_: Node) -> bool:
    return True


def _code(node: Node) -> None:
    node.value = "no-such-code"


CHANGES: dict[str, tuple[Change, Callable[[Node], bool]]] = {
    "drop": (_drop, _always),
    "type": (_type, _always),
    "empty": (_empty, _always),
    "rename": (_rename, lambda n: isinstance(n.key, str)),
    "code": (_code, lambda n: n.kind == "code" and isinstance(n.value, str)),
}


def mutants(
    model: Model, kind: str, examples: list[tuple[str, bytes]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(resource, what was done to it), the originals first."""
    resources = [(name, json.loads(content)) for name, content in examples]
    for name, resource in resources:
        yield resource, {"type": kind, "source": name, "class": "original", "path": ""}
    for name, resource in resources:
        for place, node in enumerate(walk(model, resource)):
            for change, (apply, fits) in CHANGES.items():
                if node.key == "resourceType" or not fits(node):
                    continue
                mutant = deepcopy(resource)
                apply(walk(model, mutant)[place])
                yield mutant, {"type": kind, "source": name, "class": change, "path": node.path}


def write(found: Iterator[tuple[dict[str, Any], dict[str, Any]]], path: Path, every: int) -> None:
    """The originals and every n-th mutant, with their notes beside them."""
    notes = path.with_suffix(".meta.ndjson")
    with path.open("w", encoding="utf-8") as out, notes.open("w", encoding="utf-8") as about:
        for number, (resource, note) in enumerate(found):
            if note["class"] == "original" or number % every == 0:
                out.write(json.dumps(resource, ensure_ascii=False, separators=(",", ":")) + "\n")
                about.write(json.dumps(note) + "\n")


def fault(one: Case, originals: list[Case]) -> bool | None:
    """Whether we report what is new beside the original, near it; None when nothing is new."""
    whole = next(c for c in originals if c.meta["source"] == one.meta["source"])

    def new(now: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[Any]:
        old = {(i["path"], i["messageId"], i["message"]) for i in before}
        return [
            steps(i["path"]) for i in now if (i["path"], i["messageId"], i["message"]) not in old
        ]

    theirs, mine = new(one.theirs, whole.theirs), new(one.ours, whole.ours)
    return any(near(a, b) for a in mine for b in theirs) if theirs else None


def report(kind: str, found: list[Case]) -> float:
    """Prints one type's line; the share of official rejections that ours rejects."""
    originals = [c for c in found if c.meta["class"] == "original"]
    broken = [c for c in found if c.meta["class"] != "original"]
    rejected = [c for c in broken if c.theirs]
    caught = sum(bool(c.ours) for c in rejected)
    share = 100 * caught / max(1, len(rejected))
    good = [c for c in originals if not c.theirs]
    faults = [fault(c, originals) for c in broken]
    seen = [f for f in faults if f is not None]
    measured = score(broken)
    print(
        f"{kind:16} caught {caught}/{len(rejected)} = {share:6.2f} %   false alarms on originals"
        f" {sum(bool(c.ours) for c in good)}/{len(good)}, on mutants {measured.false_alarms}"
        f"/{measured.official_good}   same element {measured.same_element:.2f} %"
        f"   new faults seen near {sum(seen)}/{len(seen)}"
    )
    return share


def main() -> int:
    """Prints one line a type, then the disagreements; 1 when a type is below the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", default="R4", choices=["R4", "R4B", "R5"])
    parser.add_argument("--packages", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for mutants and verdicts")
    parser.add_argument("--oracle", type=Path)
    parser.add_argument("--types", nargs="+", default=TYPES)
    parser.add_argument("--every", type=int, default=1, help="only every n-th mutant")
    parser.add_argument("--most", type=int, default=15)
    parser.add_argument("--group")
    parser.add_argument("--fail-below", type=float, default=0.0)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    model, examples = load(given.packages, largest=LARGEST)
    everything: list[Case] = []
    worst = 100.0
    for kind in given.types:
        path = given.out / f"systematic-{given.release.lower()}-{kind}.ndjson"
        write(mutants(model, kind, examples.get(kind, [])), path, given.every)
        found = cases(path, given.release, given.oracle)
        worst = min(worst, report(kind, found))
        everything += found
    worst = min(worst, report("all", everything)) if everything else worst
    print(by(everything, "class"))
    show(groups(everything), 3, given.most, given.group)
    return 1 if worst < given.fail_below else 0


if __name__ == "__main__":
    sys.exit(main())
