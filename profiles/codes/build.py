"""Makes the tables of codes that the validator carries beside its modules.

``python profiles/codes/build.py REGISTRY UCUM`` reads IANA's Language Subtag Registry (a text file,
https://www.iana.org/assignments/language-subtag-registry) and ``ucum-essence.xml``
(https://ucum.org/ucum-essence.xml, (c) Regenstrief Institute, https://ucum.org/license). Of both
only facts are taken: which subtags are registered; the codes of UCUM's prefixes and atoms, and
which atoms take a prefix. Names, definitions and conversion factors are left out.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as Xml
from pathlib import Path

HERE = Path(__file__).resolve().parents[2] / "adapter" / "validation"
ESSENCE = "{http://unitsofmeasure.org/ucum-essence}"
KINDS = ("language", "extlang", "script", "region", "variant")


def languages(registry: Path) -> str:
    """The registered subtags of each kind, ranges of private use left out."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    date, *records = registry.read_text(encoding="utf-8").split("%%")
    for record in records:
        fields = dict(line.split(": ", 1) for line in record.splitlines() if ": " in line)
        if fields.get("Type") in found and ".." not in fields["Subtag"]:
            found[fields["Type"]].append(fields["Subtag"])
    stated = date.strip() or "as in HL7's core 6.10.4"
    head = f"# IANA Language Subtag Registry, {stated}, by {Path(__file__).name}"
    return "\n".join([head, *(f"{kind} {' '.join(held)}" for kind, held in found.items()), ""])


def units(essence: Path) -> str:
    """Prefixes, atoms that take one, and atoms that do not."""
    root = Xml.parse(essence).getroot()  # noqa: S314 - a file that the maintainer names
    atoms = root.findall(ESSENCE + "unit")
    metric = [one.get("Code") for one in root.findall(ESSENCE + "base-unit")]
    metric += [one.get("Code") for one in atoms if one.get("isMetric") == "yes"]
    rows = {
        "prefix": [one.get("Code") for one in root.findall(ESSENCE + "prefix")],
        "metric": metric,
        "other": [one.get("Code") for one in atoms if one.get("isMetric") != "yes"],
    }
    version = f"{root.get('version')} of {root.get('revision-date')}"
    head = f"# UCUM {version}, (c) Regenstrief Institute: codes only, by {Path(__file__).name}"
    return "\n".join([head, *(f"{kind} {' '.join(map(str, r))}" for kind, r in rows.items()), ""])


if __name__ == "__main__":
    (HERE / "language-subtags.txt").write_text(languages(Path(sys.argv[1])), encoding="utf-8")
    (HERE / "ucum-atoms.txt").write_text(units(Path(sys.argv[2])), encoding="utf-8")
