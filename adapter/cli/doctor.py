"""``study-fhir doctor [STUDY --server NAME] [--probe]``"""

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from adapter.cli.console import announce, output
from adapter.cli.options import FORMAT
from adapter.errors import EXIT, ConfigurationError, UsageError, Where
from adapter.locate import shipped
from adapter.service import examining
from adapter.study import Study

OURS = "study-fhir-adapter"


@click.command("doctor")
@click.argument("study", required=False, type=click.Path(path_type=Path))
@click.option("--server", metavar="NAME", help="A server of study.yaml, or a base URL: look at it.")
@click.option(
    "--probe",
    is_flag=True,
    help="Write, change and delete one throw-away resource: are versions and conditions honoured?",
)
@click.option(
    "--jwks",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Write the public key to register at a SMART server to this file, `-` for stdout.",
)
@FORMAT
def command(
    study: Path | None, server: str | None, probe: bool, jwks: Path | None, form: str
) -> int:
    """Is this installation in order? With --server: and that server, our way in, its clock?"""
    if server is None and (study or probe or jwks):
        raise UsageError("which server?", hint="give --server, a name of study.yaml or a base URL")
    folder = Study(study, announce=announce) if study else None
    if server and jwks:
        return _write_jwks(folder, server, jwks)
    installed = _installation()
    examined = examining.examine(server, folder, with_probe=probe) if server else None
    code = examined.exit if examined else EXIT.done
    if form == "json":
        click.echo(json.dumps({**installed, **(examined.to_json() if examined else {})}))
        return code
    for name, value in installed.items():
        output.print(f"{name:<10} {value}", markup=False)
    if examined:
        _show(examined)
    output.print("in order" if code == EXIT.done else "not in order")
    return code


def _installation() -> dict[str, Any]:
    """Our packages are ours, the data is there. Raises ConfigurationError when they are not."""
    owners = importlib.metadata.packages_distributions()
    for package in ("adapter", "mappings"):
        others = set(owners.get(package, ())) - {OURS}
        if others:
            raise ConfigurationError(
                f"the package {package!r} is also installed by {', '.join(sorted(others))}",
                hint="these overwrite each other: use a virtual environment of its own",
            )
    return {
        "python": sys.version.split()[0],
        "version": importlib.metadata.version(OURS),
        "profiles": str(shipped("profiles")),
        "examples": str(shipped("examples")),
    }


def _write_jwks(study: Study | None, server: str, out: Path) -> int:
    if study is None:
        raise UsageError("whose key?", hint="give STUDY: study.yaml names the key of the server")
    text = json.dumps(examining.jwks(study, server), indent=2)
    if str(out) == "-":
        click.echo(text)
        return EXIT.done
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError:
        raise UsageError("the file cannot be written", where=Where(file=str(out))) from None
    announce(f"the public key is in {out}: register it at the server")
    return EXIT.done


def _show(examined: examining.Examined) -> None:
    seen = examined.seen.to_json()
    tls = seen["tls"]
    lines = {
        "server": examined.server.url,
        "fhir": f"{seen['fhir'] or 'not said'}  {seen['software']}",
        "bundles": ", ".join(seen["bundles"]) or "not said: transactions are tried",
        "auth": examined.server.auth.type,
        "reads": "yes" if examined.seen.may_read else f"refused: HTTP {seen['reads']}",
        "clock": _clock(examined),
        "tls": f"{tls['version']}, certificate until {tls['ends']}" if tls else "none seen",
    }
    for name, value in lines.items():
        output.print(f"{name:<10} {value}", markup=False)
    if examined.strategies:
        output.print(_table(("type", "first write"), examined.strategies.items()))
    if examined.probed:
        rows = [
            (each.question, each.answer, str(each.status), "needed" if each.needed else "")
            for each in examined.probed.findings
        ]
        output.print(_table(("the server", "", "HTTP", "for a push"), rows))
        for place in examined.probed.left:
            output.print(f"left behind: {place}; delete it", markup=False)


def _clock(examined: examining.Examined) -> str:
    apart = examined.seen.clock
    if apart is None:
        return "the server does not tell the time"
    said = f"ours is {abs(apart):,.0f} s {'ahead of' if apart > 0 else 'behind'} the server's"
    return f"{said}: set it (NTP), tokens will be refused" if examined.seen.clock_is_off else said


def _table(columns: tuple[str, ...], rows: Any) -> Table:
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    return table
