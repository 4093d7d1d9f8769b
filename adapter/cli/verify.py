"""``study-fhir verify STUDY --server NAME``"""

from pathlib import Path

import click

from adapter import service
from adapter.cli.console import announce, output, progress_bars
from adapter.cli.options import SERVER, STUDY
from adapter.errors import EXIT
from adapter.study import Study

SHOWN = 20


@click.command("verify")
@STUDY
@SERVER
def command(study: Path, server: str) -> int:
    """Read back everything the server acknowledged and compare; follow every reference."""
    with progress_bars() as progress:
        found = service.verify(Study(study, announce=announce), server, progress=progress)
    output.print(f"checked    {found.checked:>8,}")
    for name, references in (
        ("missing", found.missing),
        ("different", found.different),
        ("dangling", found.dangling),
    ):
        output.print(f"{name:<10} {len(references):>8,}")
        for reference in references[:SHOWN]:
            output.print(f"  {reference}")
    if found.normalised:
        output.print(f"normalising {found.normalised:>7,}: the server keeps these otherwise")
        for path, count in found.normalises.most_common(SHOWN):
            output.print(f"  {path}: {count:,}")
    if found.requeued:
        output.print(f"wanted again {found.requeued:,}: push restores what is gone")
    return EXIT.findings if found.missing or found.different or found.dangling else EXIT.done
