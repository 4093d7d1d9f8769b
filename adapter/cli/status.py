"""``study-fhir status STUDY``"""

from pathlib import Path

import click

from adapter.cli.console import announce
from adapter.cli.options import FORMAT, STUDY
from adapter.fhir.json import dumps, pretty
from adapter.service import outboxes
from adapter.study import Study


@click.command("status")
@STUDY
@FORMAT
def command(study: Path, form: str) -> None:
    """What the outbox knows: changes by server, type and state, and the last runs (JSON)."""
    found = outboxes.status(Study(study, announce=announce))
    click.echo(dumps(found) if form == "json" else pretty(found))
