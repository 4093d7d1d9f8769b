"""``study-fhir status STUDY``"""

import json
from pathlib import Path

import click

from adapter import service
from adapter.cli.console import announce
from adapter.cli.options import STUDY
from adapter.study import Study


@click.command("status")
@STUDY
def command(study: Path) -> None:
    """What the outbox knows: changes by server, type and state, and the last runs (JSON)."""
    click.echo(json.dumps(service.status(Study(study, announce=announce)), indent=2))
