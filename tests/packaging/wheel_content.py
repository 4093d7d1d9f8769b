"""wheel_content.py WHEEL: the wheel holds all our packages need, and nothing else."""

from __future__ import annotations

import sys
import zipfile

ROOTS = {"adapter", "mappings"}
NEEDED = {
    "adapter/py.typed",
    "mappings/py.typed",
    "adapter/schemas/study.schema.json",
    "adapter/_examples/nct05862675/study.yaml",
    "adapter/_examples/nct05862675/registry.json",
    "mappings/codes/measurement.csv",
}
NEVER = (".study-fhir", ".sqlite", ".key", "__pycache__", ".ndjson")


def faults(names: set[str]) -> list[str]:
    """What is missing and what should not be there."""
    roots = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    return [
        *(f"missing: {name}" for name in sorted(NEEDED - names)),
        *(f"not ours: {root}" for root in sorted(roots - ROOTS)),
        *(f"private: {name}" for name in sorted(names) if any(part in name for part in NEVER)),
        *([] if any(n.startswith("adapter/_profiles/") for n in names) else ["missing: profiles"]),
        *([] if any(n.endswith("/licenses/LICENSE") for n in names) else ["missing: LICENSE"]),
    ]


if __name__ == "__main__":
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        found = faults(set(wheel.namelist()))
    sys.exit("\n".join(found) or 0)
