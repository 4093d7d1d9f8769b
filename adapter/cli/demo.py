"""``study-fhir demo``"""

import threading
from contextlib import ExitStack
from pathlib import Path

import click
from rich.table import Table

from adapter.cli.console import announce, output, progress_bars
from adapter.cli.tables import ledger_table, rejects_table
from adapter.demo.run import Demo, run
from adapter.errors import EXIT

OUT = Path("out") / "demo"  # in the working folder; git ignores it


@click.command("demo")
@click.option("--keep", is_flag=True, help="Keep the files, the server and the service running.")
def command(keep: bool) -> int:
    """Map, check, plan, push, read back and push again: the reference study, self-checking."""
    with ExitStack() as stack:
        with progress_bars() as progress:
            demo, server = run(stack, OUT, progress, announce, keep)
        output.print(_resources(demo))
        output.print(rejects_table(demo.mapped.rejects, limit=200))
        output.print(ledger_table(demo.mapped.ledger))
        second = demo.second.result
        output.print(
            f"second push: {second.writes} writes, {second.unchanged:,} unchanged · "
            f"read back: {demo.verified.checked:,}, "
            f"{len(demo.verified.dangling)} dangling references"
        )
        for failure in demo.failures:
            output.print(f"NOT AS IT SHOULD BE: {failure}", style="bold red")
        output.print("\n[bold]where to look next[/bold]")
        output.print(f"report         {demo.report}")
        output.print(f"FHIR files     {OUT / 'fhir'}")
        if keep:
            _stay(stack, demo.folder, server.url)
    if not demo.failures:
        output.print("demo: everything is as it should be", style="bold green")
    return EXIT.findings if demo.failures else EXIT.done


def _resources(demo: Demo) -> Table:
    table = Table("resource type", "mapped", "sent", "on the server")
    for column in table.columns[1:]:
        column.justify = "right"
    sent = demo.first.result.sent
    for kind, count in demo.mapped.counts.items():
        cells = (count, sent.get(kind, 0), demo.on_server[kind])
        table.add_row(kind, *(f"{cell:,}" for cell in cells))
    total = (sum(demo.mapped.counts.values()), sum(sent.values()), sum(demo.on_server.values()))
    table.add_row("all", *(f"{cell:,}" for cell in total), style="bold")
    return table


def _stay(stack: ExitStack, folder: Path, url: str) -> None:
    from adapter.demo.stay import serve_study

    service_url, token_file = serve_study(stack, folder, url)
    output.print(f"study folder   {folder}")
    output.print(f"FHIR server    {url}/ResearchSubject?_count=3")
    output.print(f"service        {service_url}/healthz  (token in {token_file})")
    output.print("Ctrl-C ends server and service; the files stay")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        output.print("stopped")
