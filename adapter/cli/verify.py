"""``study-fhir verify STUDY --server NAME``"""

from pathlib import Path

import click

from adapter.cli.console import announce, output, progress_bars
from adapter.cli.options import FORMAT, SERVER, STUDY, WAIT
from adapter.errors import EXIT
from adapter.fhir.json import dumps
from adapter.service import verifying
from adapter.study import Study

SHOWN = 20


@click.command("verify")
@STUDY
@SERVER
@WAIT
@FORMAT
def command(study: Path, server: str, wait: float, form: str) -> int:
    """Read back everything the server acknowledged and compare; follow every reference."""
    opened = Study(study, announce=announce)
    with progress_bars() as progress:
        found = verifying.verify(opened, server, wait=wait, progress=progress)
    code = EXIT.done if found.is_in_step else EXIT.findings
    if form == "json":
        click.echo(dumps({"exit": code, **found.to_json()}))
        return code
    output.print(f"checked    {found.checked:>8,}")
    for name, references in (
        ("missing", found.missing),
        ("different", found.different),
        ("dangling", found.dangling),
    ):
        output.print(f"{name:<10} {len(references):>8,}")
        for reference in references[:SHOWN]:
            output.print(f"  {reference}")
        if len(references) > SHOWN:
            output.print(f"  ... and {len(references) - SHOWN:,} more, see --format json")
    if found.normalised:
        output.print(f"normalising {found.normalised:>7,}: the server keeps these otherwise")
        for path, count in found.normalises.most_common(SHOWN):
            output.print(f"  {path}: {count:,}")
    if found.requeued:
        output.print(f"wanted again {found.requeued:,}: push restores what is gone")
    return code
