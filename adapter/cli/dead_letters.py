"""``study-fhir dead-letters list|show|retry|drop STUDY --server NAME``"""

from pathlib import Path

import click
from rich.table import Table

from adapter.cli.console import announce, output
from adapter.cli.options import FORMAT, SERVER, STUDY
from adapter.errors import EXIT
from adapter.fhir.json import dumps, pretty
from adapter.service import letters
from adapter.study import Study


@click.group("dead-letters")
def command() -> None:
    """What a server refused: look at it, try it again, or give it up with a reason."""


@command.command("list")
@STUDY
@SERVER
@FORMAT
def list_(study: Path, server: str, form: str) -> int:
    """Every refused resource with the reason; ends with 3 when there are any."""
    found = letters.dead_letters(Study(study, announce=announce), server)
    if form == "json":
        for letter in found:
            click.echo(dumps(letter.to_json()))
    else:
        table = Table("resource", "state", "reason")
        for letter in found:
            table.add_row(letter.reference, letter.state, letter.reason)
        output.print(table if found else "no dead letters")
    return EXIT.refused if found else EXIT.done


@command.command("show")
@STUDY
@click.argument("reference", metavar="TYPE/ID")
@SERVER
@click.option("--with-values", is_flag=True, help="Show the resource itself (health data).")
@FORMAT
def show(study: Path, reference: str, server: str, with_values: bool, form: str) -> None:
    """One refused resource: the reason and the places its values came from (JSON)."""
    found = letters.dead_letter(Study(study, announce=announce), server, reference, with_values)
    click.echo(dumps(found) if form == "json" else pretty(found))


@command.command("retry")
@STUDY
@click.argument("references", metavar="[TYPE/ID]...", nargs=-1)
@SERVER
@FORMAT
def retry(study: Path, references: tuple[str, ...], server: str, form: str) -> None:
    """Want refused resources again, all of them without a name; the next push sends them."""
    count = letters.retry(Study(study, announce=announce), server, references)
    if form == "json":
        click.echo(dumps({"retried": count}))
    else:
        output.print(f"{count:,} wanted again: push")


@command.command("drop")
@STUDY
@click.argument("reference", metavar="TYPE/ID")
@SERVER
@click.option("--reason", required=True, help="Why it is given up; stays on record.")
@FORMAT
def drop(study: Path, reference: str, server: str, reason: str, form: str) -> None:
    """Give one up until its content changes; what the server holds stays there."""
    letters.drop(Study(study, announce=announce), server, reference, reason)
    if form == "json":
        click.echo(dumps({"dropped": reference}))
    else:
        output.print("given up until its content changes")
