"""``study-fhir pull STUDY --server NAME --out DIR``"""

import json
from pathlib import Path

import click
from rich.table import Table

from adapter.cli.console import announce, output, progress_bars
from adapter.cli.options import FORMAT, SERVER, STUDY, WAIT
from adapter.pull import COLUMNS, Pulled
from adapter.service import pulling
from adapter.study import Study

SHOWN = 20


@click.command("pull")
@STUDY
@SERVER
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A folder for the files (personal data).",
)
@WAIT
@FORMAT
def command(study: Path, server: str, out: Path, wait: float, form: str) -> int:
    """Read the cohort's resources from an EHR into files. Writes nothing to the server."""
    with progress_bars() as progress:
        pulled = pulling.pull(
            Study(study, announce=announce), server, out, wait=wait, progress=progress
        )
    announce(f"{out} and .study-fhir/pull.sqlite hold personal data: only you can read them")
    if form == "json":
        click.echo(json.dumps(pulled.to_json()))
    else:
        _show(pulled)
    if pulled.stopped is not None:
        raise pulled.stopped
    return pulled.exit


def _show(pulled: Pulled) -> None:
    table = Table("resource type", *COLUMNS, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, counts in sorted(pulled.types.items()):
        table.add_row(kind, *(f"{counts[name]:,}" for name in COLUMNS))
    output.print(table)
    for each in pulled.problems[:SHOWN]:
        place = " ".join(part for part in (each.type, each.place) if part)
        output.print(f"{place}: {each.reason}" if place else each.reason, markup=False)
    if len(pulled.problems) > SHOWN:
        output.print(f"... and {len(pulled.problems) - SHOWN:,} more: see --format json")
