"""``study-fhir profiles build --out DIR`` and ``study-fhir profiles push --server NAME``"""

from pathlib import Path

import click

from adapter.cli.console import announce, output, progress_bars
from adapter.cli.options import SERVER
from adapter.errors import EXIT
from adapter.service import definitions
from adapter.study import Study


@click.group("profiles")
def command() -> None:
    """Our profiles as FHIR NPM packages, or onto a server."""


@command.command("build")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="A folder."
)
def build(out: Path) -> None:
    """Write one package a FHIR release: profiles, value sets, code systems, maps, examples."""
    for file in definitions.build_profiles(out):
        output.print(f"{file.stat().st_size / 1000:>7,.0f} kB  {file}")


@command.command("push")
@SERVER
@click.option(
    "--study",
    type=click.Path(path_type=Path),
    help="The study folder whose study.yaml names the server and the FHIR release.",
)
@click.option(
    "--fhir",
    type=click.Choice(["R4", "R4B", "R5"]),
    default=None,
    help="FHIR release; the study's own if not given, R4 without a study.",
)
def push(server: str, study: Path | None, fhir: str | None) -> int:
    """Write profiles, value sets, code systems and maps onto a server that takes definitions."""
    folder = Study(study, announce=announce) if study else None
    with progress_bars() as progress:
        pushed = definitions.push_profiles(server, folder, fhir, progress=progress)
    for outcome in ("created", "updated", "unchanged", "refused"):
        output.print(f"{outcome:<10} {pushed.counts[outcome]:>6,}")
    for place, status in pushed.refused.items():
        output.print(f"  {place}: HTTP {status}")
    return EXIT.refused if pushed.refused else EXIT.done
