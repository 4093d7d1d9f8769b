"""Recipes checked, and what mapping made written to files."""

from __future__ import annotations

from pathlib import Path

from adapter.errors import EXIT, UsageError, Where
from adapter.fhir.json import dumps, loads
from adapter.mapping import MapResult
from adapter.recipes import compile_recipes
from adapter.sources import read_sources
from adapter.study import Study


def exit_of(mapped: MapResult) -> int:
    """1 when there are more rejects than study.yaml accepts, else 0."""
    accepted = mapped.study.settings.accepted_rejects
    return EXIT.findings if len(mapped.rejects) > accepted or mapped.dropped else EXIT.done


def check(study: Study) -> dict[str, int]:
    """study.yaml against its sources, before any row is mapped: recipes, columns, codes, units."""
    tables = read_sources(study.settings.sources)
    recipes = compile_recipes(study.scope(tables))
    return {
        "sources": len(tables),
        "columns": sum(len(table.columns) for table in tables.values()),
        "recipes": len(recipes),
    }


def write_map(mapped: MapResult, out: Path) -> list[Path]:
    """Write one ``<Type>.ndjson`` a resource type, and ledger.json. Returns the files."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError:
        raise UsageError("the folder cannot be made", where=Where(file=str(out))) from None
    files = []
    for stale in _written_before(out):
        stale.unlink(missing_ok=True)
    for kind in mapped.counts:
        files.append(out / f"{kind}.ndjson")
        with files[-1].open("wb") as lines:
            for each in mapped.resources:
                if each.resource["resourceType"] == kind:
                    lines.write(dumps(each.resource) + b"\n")
    files.append(out / "ledger.json")
    files[-1].write_bytes(dumps(mapped.ledger))
    return files


def _written_before(out: Path) -> list[Path]:
    """What an earlier ``map`` wrote there, by its ledger. Raises UsageError for files of others."""
    try:
        kinds = loads((out / "ledger.json").read_bytes())["resources"]
    except (OSError, ValueError, KeyError, TypeError):
        kinds = {}
    ours = [out / f"{kind}.ndjson" for kind in kinds]
    for other in sorted(set(out.glob("*.ndjson")) - set(ours)):
        raise UsageError(
            "the folder holds a file that map did not write",
            where=Where(file=str(other)),
            hint="give a folder of its own with --out: what is stale there is removed",
        )
    return ours
