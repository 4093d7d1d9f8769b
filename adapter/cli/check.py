"""``study-fhir check STUDY``"""

from pathlib import Path

import click

from adapter.cli.console import announce, output
from adapter.cli.options import FORMAT, STUDY
from adapter.fhir.json import dumps
from adapter.service import mapping
from adapter.study import Study


@click.command("check")
@STUDY
@FORMAT
def command(study: Path, form: str) -> None:
    """Check study.yaml against its sources: files, columns, codes, units. Maps nothing."""
    found = mapping.check(Study(study, announce=announce))
    if form == "json":
        click.echo(dumps(found))
        return
    output.print(
        f"in order: {found['recipes']} recipes take every column of {found['sources']} sources "
        f"({found['columns']} columns)"
    )
