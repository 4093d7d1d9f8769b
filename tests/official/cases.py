"""Scores our Validator on the cases of HL7's test suite, with their supporting definitions.

    python tests/official/cases.py [--cases DIR] [--verbose] [--out predictions.json]

DIR holds ``cases.json``, ``files/`` and ``score.py``.
"""

# ruff: noqa: E402, T201  a script
from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path += [str(HERE.parents[2])]

from compare import near, steps

CASES = HERE.parents[3] / "shared" / "data" / "fhir-test-cases"
RELEASES = {"4.0.1": "R4", "4.3.0": "R4B", "5.0.0": "R5"}
SHARED: dict[str, Any] = {}  # validators without packages, one for each release


def errors(folder: str, case: dict[str, Any]) -> list[dict[str, Any]]:
    """Our errors for one case; a crash is one."""
    from adapter.validation.validator import Validator

    root, release = Path(folder), RELEASES[case["fhirVersion"]]
    try:
        if case["supporting"]:
            validator = Validator(release, packages=[root / s for s in case["supporting"]])
        elif release in SHARED:
            validator = SHARED[release]
        else:
            validator = SHARED[release] = Validator(release)
        profiles = [case["profile"]] if case["profile"] else []
        issues = validator.validate(resource(root / case["file"]), profiles=profiles)
        return [i.to_json() for i in issues if i.severity in ("error", "fatal")]
    except Exception as error:
        return [{"path": "", "message": f"CRASH {type(error).__name__}: {error}"}]


def resource(path: Path) -> bytes:
    """A case's resource as JSON text, read as it stands."""
    return path.read_bytes()


def main() -> int:
    """Prints agreement for each release and what ``score.py`` says; 1 when below the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, default=CASES)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("out/predictions.json"))
    parser.add_argument("--only", help="only the cases whose id holds this")
    parser.add_argument("--fail-below", type=float, default=0.0, help="core agreement, %%")
    given = parser.parse_args()
    listed = json.loads((given.cases / "cases.json").read_bytes())["cases"]
    listed = [c for c in listed if not given.only or given.only in c["id"]]
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(errors, [str(given.cases)] * len(listed), listed, chunksize=10))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({c["id"]: len(e) for c, e in zip(listed, found, strict=True)}))
    worst = 100.0
    for version, release in RELEASES.items():
        pairs = [p for p in zip(listed, found, strict=True) if p[0]["fhirVersion"] == version]
        for tier in ("core", "text", "format"):
            share = report(f"{release} {tier}", [p for p in pairs if p[0]["tier"] == tier], given)
            worst = min(worst, share) if tier == "core" else worst
    if not given.only:
        for version in RELEASES:
            command = [sys.executable, str(given.cases / "score.py"), str(given.out), version]
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
            print(f"\n-- score.py {version}\n{done.stdout}{done.stderr}".rstrip())
    return 1 if worst < given.fail_below else 0


def report(
    name: str, pairs: list[tuple[dict[str, Any], list[dict[str, Any]]]], given: argparse.Namespace
) -> float:
    """Prints one tier; its agreement in percent."""
    if not pairs:
        return 100.0
    bad = [p for p in pairs if p[0]["expect"] == "fail"]
    good = [p for p in pairs if p[0]["expect"] == "pass"]
    alarms = [p for p in good if p[1]]
    missed = [p for p in bad if not p[1]]
    share = 100 * (len(pairs) - len(alarms) - len(missed)) / len(pairs)
    caught = [p for p in bad if p[1]]
    placed = sum(located(case["errors"], found) for case, found in caught)
    print(
        f"{name:12} agreement {share:6.2f} % of {len(pairs)}   missed {len(missed)}/{len(bad)}"
        f"   false alarms {len(alarms)}/{len(good)}   near their element {placed}/{len(caught)}"
    )
    if given.verbose:
        for case, found in alarms:
            print(f"   FALSE {case['id']} {case['options'] or ''}")
            _show("ours", [(i["path"], i["message"]) for i in found])
        for case, _ in missed:
            print(f"   MISSED {case['id']} {case['options'] or ''}")
            _show("theirs", [(i["path"], i["text"]) for i in case["errors"]])
        for case, found in caught:
            if not located(case["errors"], found):
                print(f"   ELSEWHERE {case['id']}")
                _show("theirs", [(i["path"], i["text"]) for i in case["errors"]])
                _show("ours", [(i["path"], i["message"]) for i in found])
    return share


def _show(mark: str, issues: list[tuple[str, str]]) -> None:
    for path, text in issues[:4]:
        print(f"      {mark}: {path} | {' '.join(str(text).split())[:200]}")


def located(theirs: list[dict[str, Any]], mine: list[dict[str, Any]]) -> bool:
    """Whether any of our errors lies at one of theirs or a step from it."""
    paths = [steps(i["path"]) for i in theirs if i.get("path")]
    return not paths or any(near(steps(i["path"]), path) for i in mine for path in paths)


if __name__ == "__main__":
    sys.exit(main())
