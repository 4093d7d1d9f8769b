"""``study-fhir push STUDY --server NAME``"""

import json
from pathlib import Path

import click

from adapter.cli.console import announce, output, progress_bars
from adapter.cli.options import FORMAT, SERVER, STUDY, WAIT
from adapter.cli.tables import rejects_table
from adapter.service import letters, pushing
from adapter.study import Study


@click.command("push")
@STUDY
@SERVER
@WAIT
@click.option(
    "--plan",
    "planned",
    type=click.Path(path_type=Path),
    help="Carry out exactly this plan, as `plan --out` wrote it.",
)
@click.option("--allow", is_flag=True, help="Let more than 5 % go whose rows have vanished.")
@FORMAT
def command(
    study: Path, server: str, wait: float, planned: Path | None, allow: bool, form: str
) -> int:
    """Bring a FHIR server in step with the study. Only changes are sent, each with proof."""
    with progress_bars() as progress:
        pushed = pushing.push(
            Study(study, announce=announce),
            server,
            wait=wait,
            progress=progress,
            planned=planned,
            allow=allow,
        )
    if pushed.ignores_versions:
        announce(
            "this server ignores versions, as doctor --probe found: what others changed at the "
            "same time may be overwritten; verify says whether it holds what was sent"
        )
    if pushed.needs_profiles:
        announce(letters.profiles_hint(server))
    if pushed.kept:
        announce(
            f"{len(pushed.kept):,} of what vanished stay on the server, as something that stays "
            f"there refers to them, {pushed.kept[0]} first: make the source of that a full export "
            "with on-vanish: delete too, or `retract` the subject"
        )
    if form == "json":
        click.echo(json.dumps(pushed.to_json()))
        return pushed.exit
    for name, count in pushed.result.to_json().items():
        output.print(f"{name:<10} {count:>8,}")
    for url, count in pushed.result.omitted.items():
        output.print(f"left out   {count:>8,}  {url}", markup=False)
    if pushed.mapped.rejects:
        output.print(rejects_table(pushed.mapped.rejects))
    return pushed.exit
