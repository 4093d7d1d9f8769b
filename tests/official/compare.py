"""How well our verdicts agree with those of HL7's official validator.

    python tests/official/compare.py --release R4 [--oracle DIR] FILE.ndjson...

The official verdicts are kept beside each file, so ``--oracle`` is needed only the first time.
Set apart: codes of value sets that nobody can enumerate offline (currencies, MIME types,
languages), which the official validator rejects offline whatever they are, answers that it could
not compare with a value set for want of a server, and findings of ours with the messageId
``Terminology_Enumerated_Code``.
"""

# ruff: noqa: T201  a script
from __future__ import annotations

import argparse
import json
import re
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path += [str(Path(__file__).parents[2])]

import oracle

BAD = oracle.BAD
APART = "Terminology_Enumerated_Code"
# A server knows these value sets; offline even EUR, text/plain and de are errors.
UNKNOWN_OFFLINE = re.compile(r"ValueSet/(currencies|mimetypes|all-languages|languages)\b")
OFFLINE_IDS = {"UNABLE_TO_INFER_CODESYSTEM", "Terminology_TX_NoValid_16"}
CONTAINER = re.compile(r"\[x\]|/\*[^*]*\*/|\.ofType\([^)]*\)|\.resolve\(\)|\s+$")
STEP = re.compile(r"^([^\[\]:]*)(?::[^\[\]]*)?(?:\[(\d+)\])?$")
EXTENSION = re.compile(r"\.(modifierExtension|extension)\('[^']*'\)")


@dataclass(slots=True)
class Case:
    """A resource with both verdicts."""

    file: str
    line: int
    theirs: list[dict[str, Any]]
    ours: list[dict[str, Any]]
    apart: list[dict[str, Any]] = field(default_factory=list)
    offline: list[dict[str, Any]] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Which of the four outcomes."""
        return {
            (True, True): "both",
            (False, False): "neither",
            (True, False): "missed",
            (False, True): "false alarm",
        }[bool(self.theirs), bool(self.ours)]


def steps(path: str) -> list[tuple[str, str | None]]:
    """A path as (name, index) pairs, without types, slices and other decoration.

    >>> steps("Bundle.entry[2].resource/*Patient/x*/.deceased.ofType(boolean)")
    [('Bundle', None), ('entry', '2'), ('resource', None), ('deceased', None)]
    """
    path = EXTENSION.sub(r".\1", path or "")
    path = CONTAINER.sub("", path).replace("::", ".")
    found = []
    for step in re.split(r"\.(?![^(]*\))", path):
        match = STEP.match(step)
        found.append((match[1], match[2]) if match else (step, None))
    return found


def _same_step(one: tuple[str, str | None], two: tuple[str, str | None]) -> bool:
    if one[1] is not None and two[1] is not None and one[1] != two[1]:
        return False
    short, long = sorted((one[0], two[0]), key=len)
    if short == long:
        return True
    # valueQuantity is the element value
    return bool(short) and long.startswith(short) and long[len(short)].isupper()


def same(one: Sequence[tuple[str, str | None]], two: Sequence[tuple[str, str | None]]) -> bool:
    """Whether two paths name one element."""
    return len(one) == len(two) and all(map(_same_step, one, two))


def near(one: Sequence[tuple[str, str | None]], two: Sequence[tuple[str, str | None]]) -> bool:
    """Whether two paths name one element, or parent and child."""
    if abs(len(one) - len(two)) > 1:
        return False
    most = min(len(one), len(two))
    return same(one[:most], two[:most])


def validate(release: str, texts: list[str], options: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Our errors of each resource; a crash counts as an error of its own."""
    from adapter.validation.validator import Validator

    profiles = options.get("profiles", [])
    validator = Validator(release, packages=options.get("packages", []))
    found = []
    for text in texts:
        try:
            issues = validator.validate(text.encode(), profiles=profiles)
            bad = [i.to_json() for i in issues if i.severity in BAD]
        except Exception as error:
            trace = error.__traceback__
            while trace and trace.tb_next:
                trace = trace.tb_next
            where = (
                f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
            )
            name = f"CRASH {type(error).__name__} {where}"
            bad = [{"severity": "fatal", "path": "", "message": str(error), "messageId": name}]
        found.append(bad)
    return found


def ours(
    release: str, texts: list[str], options: dict[str, Any] | None = None, processes: int = 2
) -> list[list[dict[str, Any]]]:
    """Our errors of each resource, in order."""
    options = options or {}
    if processes < 2 or len(texts) < 50:
        return validate(release, texts, options)
    edges = [len(texts) * n // processes for n in range(processes + 1)]
    with ProcessPoolExecutor(processes) as pool:
        jobs = [pool.submit(validate, release, texts[a:b], options) for a, b in pairwise(edges)]
        return [bad for job in jobs for bad in job.result()]


def offline(issue: dict[str, Any]) -> bool:
    """Whether an official error comes only of having no terminology server."""
    if issue["messageId"] == "Questionnaire_QR_Item_BadOption":
        return "Unable to validate code" in issue["message"]
    return issue["messageId"] in OFFLINE_IDS and bool(UNKNOWN_OFFLINE.search(issue["message"]))


def case(
    file: str,
    line: int,
    theirs: list[dict[str, Any]],
    mine: list[dict[str, Any]],
    meta: dict[str, Any],
) -> Case:
    """Both verdicts, with what is set apart."""
    return Case(
        file,
        line,
        [i for i in theirs if not offline(i)],
        [i for i in mine if i.get("messageId") != APART],
        [i for i in mine if i.get("messageId") == APART],
        [i for i in theirs if offline(i)],
        meta,
    )


def cases(
    path: Path,
    release: str,
    driver: Path | None,
    arguments: Sequence[str] = (),
    options: dict[str, Any] | None = None,
) -> list[Case]:
    """Every resource of a file with both verdicts."""
    theirs = oracle.verdicts(driver, release, path, arguments)
    mine = ours(release, oracle.lines(path), options)
    notes = path.with_suffix(".meta.ndjson")
    meta = [json.loads(t) for t in oracle.lines(notes)] if notes.exists() else [{}] * len(theirs)
    return [
        case(path.name, n, t, m, note)
        for n, (t, m, note) in enumerate(zip(theirs, mine, meta, strict=True), 1)
    ]


def group(issue: dict[str, Any]) -> str:
    """What an issue is counted under: its constraint or message id, else the message's pattern."""
    name = issue.get("messageId") or issue.get("constraint")
    if name:
        return str(name).replace("http://hl7.org/fhir/StructureDefinition/", "")
    return "text: " + re.sub(r"'[^']*'|\([^)]*\)|\d+", "_", issue["message"])[:70]


@dataclass(slots=True)
class Score:
    """The measures of a set of cases."""

    n: int
    official_bad: int
    official_good: int
    agreement: float
    strict_agreement: float
    missed: int
    false_alarms: int
    false_alarm_share: float
    same_element: float
    near_element: float
    set_apart: int
    offline_only: int
    extra_elements: float

    def lines(self) -> str:
        """The measures as text."""
        return (
            f"n {self.n}   official: {self.official_bad} bad, {self.official_good} good"
            f"   (rejected only for want of a terminology server: {self.offline_only},"
            f" our {APART}: {self.set_apart})\n"
            f"agreement     {self.agreement:7.2f} %   (as given, nothing set apart:"
            f" {self.strict_agreement:.2f} %)\n"
            f"missed        {self.missed:5}     of {self.official_bad} bad\n"
            f"false alarms  {self.false_alarms:5}     ="
            f" {self.false_alarm_share:.2f} % of official-good\n"
            f"same element  {self.same_element:7.2f} %   of both-bad; near (a step apart)"
            f" {self.near_element:.2f} %; ours nowhere near theirs {self.extra_elements:.2f} %"
        )

    def json(self) -> dict[str, Any]:
        """The measures by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def score(found: Sequence[Case]) -> Score:
    """The measures of a set of cases."""
    kinds = Counter(c.kind for c in found)
    both = [c for c in found if c.kind == "both"]
    good = kinds["neither"] + kinds["false alarm"]
    raw = sum(bool(c.theirs or c.offline) == bool(c.ours or c.apart) for c in found)
    return Score(
        n=len(found),
        official_bad=kinds["both"] + kinds["missed"],
        official_good=good,
        agreement=_percent(kinds["both"] + kinds["neither"], len(found)),
        strict_agreement=_percent(raw, len(found)),
        missed=kinds["missed"],
        false_alarms=kinds["false alarm"],
        false_alarm_share=_percent(kinds["false alarm"], good),
        same_element=_percent(sum(_any(c, same) for c in both), len(both)),
        near_element=_percent(sum(_any(c, near) for c in both), len(both)),
        set_apart=sum(bool(c.apart) for c in found),
        offline_only=sum(bool(c.offline) and not c.theirs for c in found),
        extra_elements=_percent(sum(bool(strays(c)) for c in both), len(both)),
    )


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 100.0


def _any(one: Case, test: Callable[..., bool]) -> bool:
    theirs = [steps(i["path"]) for i in one.theirs]
    return any(test(steps(i["path"]), path) for i in one.ours for path in theirs)


def strays(one: Case) -> list[dict[str, Any]]:
    """Errors of ours near none of theirs, in a resource both reject."""
    theirs = [steps(i["path"]) for i in one.theirs]
    return [i for i in one.ours if not any(near(steps(i["path"]), path) for path in theirs)]


def uncaught(one: Case) -> list[dict[str, Any]]:
    """Errors of theirs near none of ours, in a resource both reject."""
    mine = [steps(i["path"]) for i in one.ours]
    return [i for i in one.theirs if not any(near(steps(i["path"]), path) for path in mine)]


Groups = dict[str, list[tuple[Case, dict[str, Any]]]]


def groups(found: Iterable[Case]) -> dict[str, Groups]:
    """Disagreements by kind and message id: missed, false alarms, and both-bad that differ."""
    made: dict[str, Groups] = {
        "missed (official message)": defaultdict(list),
        "false alarms (our message)": defaultdict(list),
        "both reject, for other elements (official message)": defaultdict(list),
        "both reject, ours is far from theirs (our message)": defaultdict(list),
        "both reject, theirs is far from ours (official message)": defaultdict(list),
    }
    missed, alarms, other, stray, silent = made.values()
    for one in found:
        if one.kind == "missed":
            _collect(missed, one, one.theirs)
        elif one.kind == "false alarm":
            _collect(alarms, one, one.ours)
        elif one.kind == "both":
            if not _any(one, near):
                _collect(other, one, one.theirs)
            _collect(stray, one, strays(one))
            _collect(silent, one, uncaught(one))
    return made


def _collect(into: Groups, one: Case, issues: list[dict[str, Any]]) -> None:
    seen = set()
    for issue in issues:
        name = group(issue)
        if name not in seen:
            into[name].append((one, issue))
            seen.add(name)


def show(made: dict[str, Groups], examples: int, most: int, only: str | None) -> None:
    """Prints the groups, biggest first; with ``only`` all cases of the groups so named."""
    for title, members in made.items():
        total = len({(c.file, c.line) for found in members.values() for c, _ in found})
        ranked = sorted(members.items(), key=lambda item: -len(item[1]))
        if only:
            ranked = [item for item in ranked if only in item[0]]
        if not ranked:
            continue
        print(f"\n== {title}: {total} resources, {len(members)} groups")
        for name, found in ranked if only else ranked[:most]:
            alone = sum(len({group(i) for i in _blamed(c, title)}) == 1 for c, _ in found)
            print(
                f"{len(found):5} {name}" + (f"   (alone: {alone})" if alone != len(found) else "")
            )
            for one, issue in found if only else found[:examples]:
                print(f"        {_place(one)} {issue['path']} | {_one_line(issue['message'])}")
                if only:
                    for mark, others in (("ours", one.ours), ("theirs", one.theirs)):
                        for each in others[:6]:
                            print(f"            {mark}: {each['path']} | {group(each)}")
        if not only and len(ranked) > most:
            print(f"      ... {len(ranked) - most} more groups (--most)")


def _blamed(one: Case, title: str) -> list[dict[str, Any]]:
    return one.ours if "our message" in title else one.theirs


def _place(one: Case) -> str:
    return f"{one.file}:{one.line} [{one.meta.get('class', '')} {one.meta.get('path', '')}]"


def _one_line(text: str) -> str:
    return " ".join(str(text).split())[:220]


def by(found: Sequence[Case], name: str) -> str:
    """Agreement for each value of a note (class, type), worst first."""
    parts: dict[str, list[Case]] = defaultdict(list)
    for one in found:
        parts[str(one.meta.get(name, ""))].append(one)
    rows = [(score(p), k) for k, p in parts.items()]
    rows.sort(key=lambda row: row[0].agreement)
    return "\n".join(
        f"{s.agreement:7.2f} %  n {s.n:5}  missed {s.missed:4}  false {s.false_alarms:4}"
        f"  same {s.same_element:6.2f} %  {k}"
        for s, k in rows
    )


def main() -> int:
    """Prints the measures and the disagreements; 1 when below the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--release", default="R4", choices=["R4", "R4B", "R5"])
    parser.add_argument("--oracle", type=Path, help="where the official validator was built")
    parser.add_argument("--packages", type=Path, nargs="*", default=[], help="guides for both")
    parser.add_argument("--profile", action="append", default=[])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--group", help="show all cases of the groups whose name holds this")
    parser.add_argument("--line", type=int, help="show both verdicts of one line")
    parser.add_argument("--by", choices=["class", "type"])
    parser.add_argument("--most", type=int, default=40)
    parser.add_argument("--examples", type=int, default=3)
    parser.add_argument("--fail-below", type=float, default=0.0)
    given = parser.parse_args()
    arguments = [a for p in given.packages for a in ("--ig", str(p.resolve()))]
    arguments += [a for p in given.profile for a in ("--profile", p)]
    options = {"packages": given.packages, "profiles": given.profile}
    found = [
        c for f in given.files for c in cases(f, given.release, given.oracle, arguments, options)
    ]
    measured, made = score(found), groups(found)
    if given.line:
        _show_line(found, given.line)
    elif given.json:
        counts = {t: {k: len(v) for k, v in g.items()} for t, g in made.items()}
        print(json.dumps({**measured.json(), "groups": counts}, indent=1))
    elif given.group:
        show(made, given.examples, given.most, given.group)
    else:
        print(measured.lines())
        if given.by:
            print(by(found, given.by))
        show(made, given.examples, given.most, None)
    return 1 if measured.agreement < given.fail_below else 0


def _show_line(found: Sequence[Case], line: int) -> None:
    for one in found:
        if one.line != line:
            continue
        print(f"{one.file}:{line} {one.kind} {json.dumps(one.meta)}")
        for mark, issues in (
            ("theirs", [*one.theirs, *one.offline]),
            ("ours", [*one.ours, *one.apart]),
        ):
            for issue in issues:
                print(f"  {mark}: {issue['path']} | {group(issue)} | {_one_line(issue['message'])}")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that "| head" ends it quietly
    sys.exit(main())
