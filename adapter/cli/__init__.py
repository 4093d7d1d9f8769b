"""The command ``study-fhir``: one file a command, one place for errors and exit codes."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from adapter.cli.console import console
from adapter.errors import EXIT, StudyFhirError, outcome_of

COMMANDS = {
    "demo": "the whole flow on a copy of the reference study, self-checking",
    "check": "study.yaml against its sources, before any row is mapped",
    "validate": "is this FHIR right, by HL7's rules and by your profiles",
    "map": "the study as one <Type>.ndjson a resource type, plus ledger.json",
    "explain": "where a value of a resource came from: cell, recipe, code, unit, rule",
    "plan": "what a push would create, update and leave",
    "push": "bring a FHIR server in step with the study",
    "verify": "does the server still hold what it acknowledged",
    "pull": "a cohort's resources from an EHR's FHIR API into files",
    "retract": "withdraw one subject from a server, with proof",
    "dead-letters": "what a server refused: list, show, retry, drop",
    "status": "what the outbox knows",
    "report": "one HTML file with everything a person wants to see",
    "registry": "a registration record as a transaction Bundle",
    "profiles": "our profiles as FHIR NPM packages, or onto a server",
    "serve": "the Flask service",
    "doctor": "is this installation in order",
}

# What is mapped lives until the end, and next to nothing refers to itself: looking for garbage as
# often as Python does is a third of the time, with a threshold of 100,000 still an eighth.
COLLECTING = (1_000_000, 50, 1_000)


def module_of(name: str) -> str:
    """The module of a command."""
    return f"adapter.cli.{name.replace('-', '_')}"


class _Commands(click.Group):
    """Imports a command when it is used, so that starting stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(module_of(cmd_name))
        command: click.Command = module.command
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="study-fhir-adapter", prog_name="study-fhir")
def cli() -> None:
    """What a clinical study holds, as FHIR: mapped, proven, and kept in step with a server.

    STUDY is a folder with a study.yaml, such as examples/nct05862675.
    Exit codes: 0 done · 1 findings · 2 usage or configuration · 3 some resources refused ·
    4 deferred, all kept · 5 authentication · 130/143 stopped by a signal.
    """


def main() -> None:
    """Run the command line and leave with the exit code of docs/operations.md."""
    signal.signal(signal.SIGTERM, _terminated)
    gc.set_threshold(*COLLECTING)
    try:
        code = cli.main(standalone_mode=False)
        if code == EXIT.interrupted:
            _leave(EXIT.interrupted)
        gc.freeze()  # nor is there anything to find on the way out
        sys.exit(code if isinstance(code, int) else EXIT.done)
    except SystemExit as stopped:
        if stopped.code == EXIT.terminated:
            _leave(EXIT.terminated)
        raise
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT.configuration)
    except (click.Abort, KeyboardInterrupt):
        console.print("stopped; what was acknowledged is recorded, the next push goes on")
        _leave(EXIT.interrupted)
    except StudyFhirError as error:
        console.print(f"error ({error.code}): {error}", style="red", markup=False, highlight=False)
        sys.exit(outcome_of(error).exit)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT.done)
    except OSError as error:
        console.print(f"error (files): {_files(error)}", style="red", markup=False, highlight=False)
        sys.exit(EXIT.configuration if error.filename else EXIT.findings)
    except Exception as error:
        if os.environ.get("STUDY_FHIR_TRACEBACK") == "1":
            raise
        # The text of an unforeseen error may hold source values, so only its kind is shown.
        console.print(
            f"internal error: {type(error).__name__} (a defect of study-fhir; nothing was lost)\n"
            "  hint: repeat with STUDY_FHIR_TRACEBACK=1 on synthetic data and report it",
            style="red",
            markup=False,
        )
        sys.exit(EXIT.configuration)


def _files(error: OSError) -> str:
    """What the file system says, and of which file; without one it is our own output."""
    said = f"{type(error).__name__}: {os.strerror(error.errno or 0)}"
    if error.filename:
        return f"{said} ({error.filename})\n  hint: may this user read and write it?"
    return f"{said}\n  hint: the output cannot be written; what was done before stands"


def _leave(code: int) -> NoReturn:
    """Ends at once after a signal: a pool whose processes it killed might never be done."""
    if "multiprocessing" in sys.modules:
        for child in sys.modules["multiprocessing"].active_children():
            child.kill()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(EXIT.terminated)
