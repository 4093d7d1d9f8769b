"""few.py MAPPED COUNT OUT: the study and its first COUNT subjects, of what ``map`` wrote."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

PATIENT = re.compile(r'"reference":\s*"(Patient/[^"]+)"')


def main(mapped: Path, count: int, out: Path) -> None:
    """Copy what is about nobody or about the first patients alone; groups lose the others."""
    out.mkdir(parents=True, exist_ok=True)
    patients = (mapped / "Patient.ndjson").read_text(encoding="utf-8").splitlines()
    kept = {f"Patient/{json.loads(line)['id']}" for line in patients[:count]}
    for file in sorted(mapped.glob("*.ndjson")):
        lines = [_without_others(line, kept) for line in file.read_text("utf-8").splitlines()]
        chosen = [line for line in lines if _is_kept(line, kept)]
        (out / file.name).write_text("".join(f"{line}\n" for line in chosen), encoding="utf-8")


def _without_others(line: str, kept: set[str]) -> str:
    resource = json.loads(line)
    if resource["resourceType"] != "Group" or "member" not in resource:
        return line
    members = [each for each in resource["member"] if each["entity"]["reference"] in kept]
    del resource["member"]
    return json.dumps({**resource, **({"member": members} if members else {})})


def _is_kept(line: str, kept: set[str]) -> bool:
    resource = json.loads(line)
    return (
        {f"Patient/{resource['id']}"} <= kept
        if resource["resourceType"] == "Patient"
        else (set(PATIENT.findall(line)) <= kept)
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
