"""``study-fhir registry FILE``"""

from pathlib import Path
from typing import Any

import click

from adapter.cli.console import output
from adapter.cli.options import FHIR
from adapter.errors import UsageError, Where
from adapter.fhir.json import dumps
from adapter.service import registering


@click.command("registry")
@click.argument("file", type=click.Path(path_type=Path))
@FHIR
@click.option("--out", type=click.Path(path_type=Path), help="File to write; stdout if not given.")
@click.option(
    "--coverage", type=click.Path(path_type=Path), help="Write which leaves were not carried."
)
def command(file: Path, fhir: str | None, out: Path | None, coverage: Path | None) -> None:
    """A ClinicalTrials.gov v2 record as a FHIR transaction Bundle."""
    bundle, dropped = registering.registry(file, fhir or "R4")
    if out:
        _write(out, bundle)
        output.print(f"{len(bundle['entry'])} resources written to {out}")
    else:
        click.echo(dumps(bundle))
    if coverage:
        _write(coverage, {"dropped": dropped})


def _write(file: Path, content: Any) -> None:
    try:
        file.write_bytes(dumps(content))
    except OSError:
        raise UsageError("the file cannot be written", where=Where(file=str(file))) from None
