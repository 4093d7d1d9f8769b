"""``study-fhir plan STUDY --server NAME``"""

from pathlib import Path

import click

from adapter import service
from adapter.cli.console import announce, output
from adapter.cli.options import SERVER, STUDY
from adapter.errors import UsageError, Where
from adapter.fhir.json import dumps
from adapter.study import Study


@click.command("plan")
@STUDY
@SERVER
@click.option("--live", is_flag=True, help="Compare with what the server holds now.")
@click.option("--with-values", is_flag=True, help="Show old and new values (health data).")
@click.option("--out", type=click.Path(path_type=Path), help="Write the plan as JSON.")
def command(study: Path, server: str, live: bool, with_values: bool, out: Path | None) -> int:
    """Show what a push would do: create, update, unchanged, vanished. Writes nothing."""
    mapped, found = service.plan(
        Study(study, announce=announce), server, live=live, with_values=with_values
    )
    if out:
        try:
            out.write_bytes(dumps(found.to_json()))
        except OSError:
            raise UsageError("the file cannot be written", where=Where(file=str(out))) from None
    for action, count in found.counts.items():
        output.print(f"{action:<10} {count:>8,}")
    for url, count in found.omitted.items():
        output.print(f"left out   {count:>8,}  {url}", markup=False)
    if mapped.rejects:
        output.print(f"rejected   {len(mapped.rejects):>8,}  (rows and cells; see `map`)")
    return service.exit_of(mapped)
