"""Options and arguments that several commands share."""

from __future__ import annotations

import math
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


def _seconds(_ctx: click.Context, _param: click.Parameter, given: float) -> float:
    if math.isnan(given):
        raise click.BadParameter("nan is no number of seconds.")
    return given


WAIT = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    callback=_seconds,
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a server that is away.",
)
