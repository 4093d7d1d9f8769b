"""The element table of docs/reference-study.md, and the example resources it links.

``study_elements.csv`` names each kind of data and where to look for it; the columns beside it and
the examples follow from mapping the reference study and explaining what came out.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mapping_tables import by_type, readable

from adapter.errors import UsageError
from adapter.explain.build import Explainer
from adapter.explain.explanation import Element, Source
from adapter.explain.find import Found, Searched
from adapter.explain.rules import Rules
from adapter.fhir.json import dumps
from adapter.study import Study
from adapter.validation.definitions import Definitions

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "examples" / "nct05862675"
RELEASE = "R4"
KEY = bytes(range(32))  # of the examples only: a real study's key is made anew and kept secret


@dataclass(frozen=True, slots=True)
class Example:
    """A kind of data, the resource that shows it and its explained elements."""

    kind: str
    registered: str
    resource: dict[str, Any]
    elements: tuple[Element, ...]

    @property
    def file(self) -> str:
        """Its file in docs/examples."""
        return re.sub(r"[^a-z0-9]+", "-", self.kind.lower()).strip("-") + ".json"

    @property
    def text(self) -> str:
        """The resource as the file holds it."""
        plain = json.loads(dumps(self.resource))
        return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def element_table() -> str:
    """Every kind of data that the registration names: columns, elements, an example."""
    lines = [
        "| kind of data | the registration says | read from | FHIR element | example |",
        "| --- " * 5 + "|",
    ]
    for each in examples():
        kind = each.resource["resourceType"]
        paths = dict.fromkeys(
            readable({kind: [each.resource]}, f"{kind}[0].{e.path.partition('.')[2]}")
            for e in each.elements
        )
        columns = "<br>".join(_columns(each.elements))
        link = f"[{kind}](examples/{each.file})"
        lines.append(f"| {each.kind} | {each.registered} | {columns} | {by_type(paths)} | {link} |")
    return "\n".join(lines)


def _columns(elements: tuple[Element, ...]) -> Iterator[str]:
    """``file: columns`` of what decides the elements, then what the registration's study says."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for source in (source for each in elements for source in each.sources):
        if source.place:
            found[_file(source)].update(dict.fromkeys(source.columns))
    for file, columns in found.items():
        yield f"{file}: {', '.join(f'`{column}`' for column in columns)}"


def _file(source: Source) -> str:
    place = source.place
    assert place
    name = str(place.file).removeprefix("data/")
    return f"{name} [{place.sheet}]" if place.sheet else name


@cache
def examples() -> tuple[Example, ...]:
    """An example of each kind, mapped from the synthetic cohort with a fixed key."""
    with (Path(__file__).parent / "study_elements.csv").open(encoding="utf-8", newline="") as text:
        wanted = list(csv.DictReader(text))
    with tempfile.TemporaryDirectory() as folder:
        searched = Searched(Study(copied(Path(folder)), fhir=RELEASE))
        held = list(searched.all())
        rules = Rules(Definitions.shipped(RELEASE))
        return tuple(_example(row, searched, held, rules) for row in wanted)


def copied(folder: Path, key_bytes: bytes = KEY) -> Path:
    """A copy of the reference study with a key that everybody knows."""
    study = folder / "study"
    shutil.copytree(REFERENCE, study, ignore=shutil.ignore_patterns(".study-fhir", "*.py"))
    key = study / ".study-fhir" / "study.key"
    key.parent.mkdir()
    key.write_text(key_bytes.hex(), encoding="ascii")
    key.chmod(0o600)
    return study


def _example(row: dict[str, str], searched: Searched, held: list[Found], rules: Rules) -> Example:
    """The first resource of its kind that holds every element the table names."""
    paths = row["elements"].split()
    for found in held:
        if not _matches(found, row) or not all(_holds(found.resource, p) for p in paths):
            continue
        explainer = Explainer(searched, found, rules)
        try:
            explained = [e for path in paths for e in explainer.explain(path).elements]
        except UsageError:
            continue
        return Example(row["kind"], row["registered as"], found.resource, tuple(explained))
    raise LookupError(f"the reference study has no example of {row['kind']}")


def _holds(resource: Any, path: str) -> bool:
    name, _, rest = path.partition(".")
    if isinstance(resource, list):
        return any(_holds(each, path) for each in resource)
    if not isinstance(resource, dict) or name not in resource:
        return False
    return _holds(resource[name], rest) if rest else True


def _matches(found: Found, row: dict[str, str]) -> bool:
    if found.resource["resourceType"] != row["type"]:
        return False
    if found.own is None:
        return not row["recipe"] and (not row["term"] or found.whole.term == row["term"])
    made = found.made[found.own]
    terms = {getattr(made.entity, name, None) for name in ("code", "material", "drug")}
    return made.origin.recipe == row["recipe"] and (not row["term"] or row["term"] in terms)


def stale_examples() -> list[str]:
    """The files of docs/examples that are missing, out of date or of no use any more."""
    folder = ROOT / "docs" / "examples"
    wanted = {each.file: each.text for each in examples()}
    held = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.json")}
    return sorted(
        name for name in wanted.keys() | held.keys() if wanted.get(name) != held.get(name)
    )


def write_examples() -> None:
    """Write docs/examples anew."""
    folder = ROOT / "docs" / "examples"
    folder.mkdir(exist_ok=True)
    for name in stale_examples():
        (folder / name).unlink(missing_ok=True)
    for each in examples():
        (folder / each.file).write_text(each.text, encoding="utf-8")
