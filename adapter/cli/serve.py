"""``study-fhir serve STUDY...``"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Sequence
from pathlib import Path

import click
from waitress.server import create_server

from adapter.cli.console import output
from adapter.errors import ConfigurationError, UsageError, Where
from adapter.settings import load_study, read_private
from adapter.web import Token, create_app

TOKEN = "STUDY_FHIR_TOKEN"  # noqa: S105 - the name of a variable
MAX_BODY = 16_000_000  # bytes; beyond the application's own limit, so that it can answer 413
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command("serve")
@click.argument("studies", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8099,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--token-file",
    "token_files",
    metavar="[STUDY=]FILE",
    multiple=True,
    help="File (mode 0600) with the bearer token of callers, or of those of one study; "
    f"may be repeated; else ${TOKEN}.",
)
def command(studies: tuple[Path, ...], host: str, port: int, token_files: tuple[str, ...]) -> None:
    """Serve studies over HTTP: start pushes and follow them. Ctrl-C ends it.

    STUDIES are study folders. docs/service.md describes the routes.
    """
    folders = named(studies)
    app = create_app(folders, read_tokens(token_files, folders))
    with listen(host, port) as listening:
        server = create_server(app, sockets=[listening], ident=None, max_request_body_size=MAX_BODY)
        output.print(
            f"serving {', '.join(folders)} at http://{host}:{server.effective_port}/healthz"
        )
        if host not in LOOPBACK:
            output.print("this address can be reached by others: put a TLS proxy before it")
        server.run()


def listen(host: str, port: int) -> socket.socket:
    """A socket on this address. Raises UsageError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}:{port} ({error.strerror})", hint="choose another --port"
        ) from None


def named(studies: tuple[Path, ...]) -> dict[str, Path]:
    """The study folders by the study's name. Raises UsageError when two have the same."""
    folders: dict[str, Path] = {}
    for folder in studies:
        name = load_study(folder).study
        if name in folders:
            raise UsageError(f"two study folders are of {name}", where=Where(file=str(folder)))
        folders[name] = folder
    return folders


def read_tokens(files: Sequence[str], studies: Collection[str]) -> list[Token]:
    """The tokens of callers, each from ``FILE`` or ``STUDY=FILE``; else from the environment.

    What stands before ``=`` is a study only when it is one of ``studies``: a file may be named so.
    Raises ConfigurationError.
    """
    if not files:
        token = os.environ.get(TOKEN, "").strip()
        if not token:
            raise ConfigurationError(
                "the service does not start without a token",
                hint=f"give --token-file FILE, or set {TOKEN}",
            )
        return [Token(token)]
    tokens = []
    for each in files:
        study, _, file = each.partition("=")
        own = study in studies and bool(file)
        if file and not own and not Path(each).exists():
            raise ConfigurationError(
                f"no study {study!r} is served, and there is no file {each!r}",
                hint=f"--token-file FILE or STUDY=FILE, where STUDY is {', '.join(studies)}",
            )
        tokens.append(Token(read_private(Path(file if own else each)), study if own else None))
    return tokens
