"""``study-fhir check STUDY``"""

from pathlib import Path

import click

from adapter import service
from adapter.cli.console import announce, output
from adapter.cli.options import STUDY
from adapter.study import Study


@click.command("check")
@STUDY
def command(study: Path) -> None:
    """Check study.yaml against its sources: files, columns, codes, units. Maps nothing."""
    found = service.check(Study(study, announce=announce))
    output.print(
        f"in order: {found['recipes']} recipes take every column of {found['sources']} sources "
        f"({found['columns']} columns)"
    )
