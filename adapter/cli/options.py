"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

STUDY = click.argument("study", type=click.Path(path_type=Path))
SERVER = click.option(
    "--server", required=True, metavar="NAME", help="A server of study.yaml, or a base URL."
)
FHIR = click.option(
    "--fhir",
    type=click.Choice(["R4", "R4B", "R5"]),
    default=None,
    help="FHIR release; study.yaml's own if not given.",
)
FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="For people, or one JSON object.",
)
WAIT = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a server that is away.",
)
