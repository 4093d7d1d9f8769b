"""``study-fhir plan STUDY --server NAME``"""

from pathlib import Path

import click

from adapter.cli.console import announce, output, progress_bars
from adapter.cli.options import FORMAT, SERVER, STUDY, WAIT
from adapter.cli.tables import plan_table
from adapter.fhir.json import dumps
from adapter.privacy import write_private
from adapter.service import mapping, planning
from adapter.study import Study


@click.command("plan")
@STUDY
@SERVER
@click.option("--live", is_flag=True, help="Compare with what the server holds now.")
@click.option("--with-values", is_flag=True, help="Show old and new values (health data).")
@click.option("--out", type=click.Path(path_type=Path), help="Write the plan as JSON.")
@WAIT
@FORMAT
def command(
    study: Path,
    server: str,
    live: bool,
    with_values: bool,
    out: Path | None,
    wait: float,
    form: str,
) -> int:
    """Show what a push would do: create, update, retry, unchanged, vanished. Writes nothing."""
    opened = Study(study, announce=announce)
    with progress_bars() as progress:
        mapped, found = planning.plan(
            opened, server, live=live, with_values=with_values, wait=wait, progress=progress
        )
    if out:
        write_private(out, dumps(found.to_json()))
    if form == "json":
        click.echo(dumps(found.to_json()))
        return mapping.exit_of(mapped)
    if found.items:
        output.print(plan_table(found.items))
    for action, count in found.counts.items():
        output.print(f"{action:<10} {count:>8,}")
    for url, count in found.omitted.items():
        output.print(f"left out   {count:>8,}  {url}", markup=False)
    if mapped.rejects:
        output.print(f"rejected   {len(mapped.rejects):>8,}  (rows and cells; see `map`)")
    return mapping.exit_of(mapped)
