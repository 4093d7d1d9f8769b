"""``study-fhir report STUDY --out FILE.html``"""

from pathlib import Path

import click

from adapter.cli.console import announce, output, progress_bars
from adapter.cli.options import STUDY
from adapter.mapping import map_study
from adapter.service import mapping, reports
from adapter.study import Study


@click.command("report")
@STUDY
@click.option("--out", required=True, type=click.Path(path_type=Path), help="HTML file to write.")
@click.option(
    "--with-source", is_flag=True, help="Put the source rows beside the FHIR: personal data."
)
def command(study: Path, out: Path, with_source: bool) -> int:
    """One HTML file: what was mapped and rejected, enrolment, a timeline for each subject."""
    with progress_bars() as progress:
        mapped = map_study(Study(study, announce=announce), progress)
    reports.write_report(mapped, out, with_source=with_source)
    kind = "personal data: it holds source rows" if with_source else "pseudonymised health data"
    output.print(f"written to {out} ({kind})")
    return mapping.exit_of(mapped)
