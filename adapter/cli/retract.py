"""``study-fhir retract STUDY SUBJECT --server NAME``"""

from pathlib import Path

import click

from adapter.cli.console import announce, output
from adapter.cli.options import FORMAT, SERVER, STUDY, WAIT
from adapter.errors import EXIT, UsageError
from adapter.fhir.json import dumps
from adapter.service import retracting
from adapter.study import Study


@click.command("retract")
@STUDY
@click.argument("subject", required=False)
@click.option(
    "--record-file",
    type=click.Path(path_type=Path),
    help="A file that holds nothing but the subject's key as the sources have it.",
)
@SERVER
@WAIT
@FORMAT
def command(
    study: Path, subject: str | None, record_file: Path | None, server: str, wait: float, form: str
) -> int:
    """Withdraw one subject: delete what the server holds of it, and prove that it is gone.

    SUBJECT is the pseudonymous id of the Patient, or Patient/<id>. Nothing of the subject is sent
    there again.
    """
    if (subject is None) == (record_file is None):
        raise UsageError("give either SUBJECT or --record-file")
    opened = Study(study, announce=announce)
    if record_file is not None:
        subject = retracting.subject_of(opened, record_file)
    found = retracting.retract(opened, str(subject), server, wait=wait)
    if form == "json":
        click.echo(dumps(found.to_json()))
    else:
        output.print(f"deleted      {found.deleted:>8,}")
        output.print(f"already gone {found.already_gone:>8,}")
        output.print(f"remains      {len(found.remains):>8,}")
        for reference, reason in found.remains.items():
            output.print(f"  {reference}: {reason}", markup=False)
        output.print("A server's history and backups are its own: ask for their erasure there.")
    return EXIT.done if found.is_proven else EXIT.refused
