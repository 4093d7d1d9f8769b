"""``study-fhir map STUDY --out DIR``"""

from pathlib import Path

import click

from adapter.cli.console import announce, output, progress_bars
from adapter.cli.options import FHIR, STUDY
from adapter.cli.tables import counts_table, ledger_table, rejects_table
from adapter.mapping import map_study
from adapter.service import mapping
from adapter.study import Study


@click.command("map")
@STUDY
@FHIR
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
def command(study: Path, fhir: str | None, out: Path) -> int:
    """Map a study: one <Type>.ndjson a resource type, plus ledger.json. Nothing is sent."""
    with progress_bars() as progress:
        mapped = map_study(Study(study, fhir=fhir, announce=announce), progress)
    mapping.write_map(mapped, out)
    output.print(counts_table(mapped.counts))
    output.print(ledger_table(mapped.ledger))
    if mapped.rejects:
        output.print(rejects_table(mapped.rejects))
    output.print(f"written to {out} (pseudonymised health data)")
    return mapping.exit_of(mapped)
