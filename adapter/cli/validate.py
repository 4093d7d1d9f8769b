"""``study-fhir validate PATH...``"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from adapter.cli.console import announce, console, progress_bars
from adapter.errors import EXIT, UsageError

if TYPE_CHECKING:  # imported when used, so that --help comes at once
    from adapter.mapping import Progress
    from adapter.validation.reading import Document
    from adapter.validation.run import Checked, Options

FORMATS = ["text", "json", "sarif", "junit", "outcome"]
KILOBYTE = 1_000


@dataclass
class Counts:
    """What a run found."""

    resources: int = 0
    failed: int = 0
    errors: int = 0
    warnings: int = 0
    kilobytes: float = 0

    def add(self, checked: Checked) -> None:
        """Counts one resource."""
        skipped = checked.resourceType is None and not checked.failed
        self.resources += not skipped
        self.failed += checked.failed
        self.errors += sum(issue.severity in ("error", "fatal") for issue in checked.issues)
        self.warnings += sum(issue.severity == "warning" for issue in checked.issues)
        self.kilobytes += checked.size / KILOBYTE


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--fhir",
    type=click.Choice(["R4", "R4B", "R5"]),
    default="R4",
    show_default=True,
    help="FHIR release.",
)
@click.option(
    "--profile", "profiles", multiple=True, metavar="URL", help="Every resource must conform to it."
)
@click.option(
    "--package",
    "packages",
    multiple=True,
    metavar="DIR|TGZ",
    help="Profiles, value sets and code systems: a FHIR NPM package, or a folder of them.",
)
@click.option(
    "--terminology",
    default="local",
    metavar="off|local|URL",
    show_default=True,
    help="Codes unchecked, checked against what is known here, or by a terminology server too.",
)
@click.option("--refs", is_flag=True, help="Every reference must resolve within the PATHs.")
@click.option("--best-practice", is_flag=True, help="Also what HL7 calls best practice.")
@click.option("--official", is_flag=True, help="Also by HL7's own validator (needs Java).")
@click.option(
    "--jobs", type=click.IntRange(0, 256), default=0, help="Processes; 0, the default: as fit."
)
@click.option(
    "--changed-since",
    metavar="REVISION|FILE",
    help="Only files that differ from a git revision, or are newer than a file.",
)
@click.option("--quiet", is_flag=True, help="Errors only: no warnings, progress and summary.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    help="For people, or one JSON object an issue, SARIF, JUnit XML, an OperationOutcome.",
)
def command(
    paths: tuple[str, ...],
    fhir: str,
    profiles: tuple[str, ...],
    packages: tuple[str, ...],
    terminology: str,
    refs: bool,
    best_practice: bool,
    official: bool,
    jobs: int,
    changed_since: str | None,
    quiet: bool,
    form: str,
) -> int:
    """Check FHIR resources: files, folders, or - for standard input.

    JSON, NDJSON and XML, gzipped or not. Exit 1 when a resource has an error.
    """
    from adapter.validation.run import Options

    if refs and "-" in paths:
        raise UsageError("--refs reads everything twice, which standard input does not allow")
    options = Options(fhir, profiles, packages, terminology, best_practice, paths if refs else ())
    chosen = _chosen(paths, changed_since)
    if not chosen:
        if not quiet:
            announce("nothing changed")
        return EXIT.done
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        if official:
            return _official(chosen, options, jobs, form)
        return _run(chosen, options, jobs, form, quiet=quiet)
    except KeyboardInterrupt:
        announce("stopped")
        return EXIT.interrupted
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT.done


def _chosen(paths: tuple[str, ...], since: str | None) -> list[str]:
    if since is None:
        return list(paths)
    from adapter.validation.changed import changed_since

    return changed_since(since, paths)


def _run(paths: list[str], options: Options, jobs: int, form: str, *, quiet: bool) -> int:
    from adapter.validation.output import writer
    from adapter.validation.reading import documents
    from adapter.validation.run import check, size_of

    out = writer(form, _write_to_stdout(), colour=form == "text" and sys.stdout.isatty())
    counts, began = Counts(), time.monotonic()
    verdicts = check(_or_nothing(documents(paths), paths), options, jobs)
    with nullcontext() if quiet else progress_bars() as show:
        for checked in _shown(verdicts, counts, show, size_of(paths)):
            out.add(_errors_only(checked) if quiet else checked)
    out.close()
    sys.stdout.flush()
    if form == "text" and not quiet:
        _summary(counts, time.monotonic() - began)
    return EXIT.findings if counts.failed else EXIT.done


def _write_to_stdout() -> Callable[[str], object]:
    """Writes above the progress bar on a terminal, and past it into a file or a pipe."""
    if sys.stdout.isatty():
        return lambda text: sys.stdout.write(text)  # the bar puts itself in its place
    return sys.stdout.write


def _or_nothing(found: Iterator[Document], paths: Iterable[str]) -> Iterator[Document]:
    """Nothing to validate is a mistake in the command line, not a success."""
    empty = True
    for document in found:
        empty = False
        yield document
    if empty:
        raise UsageError(
            f"there is no FHIR in {', '.join(paths)}",
            hint="files end in .json, .ndjson or .xml, or that and .gz",
        )


def _shown(
    verdicts: Iterator[Checked], counts: Counts, show: Progress | None, size: int
) -> Iterator[Checked]:
    """The verdicts, counted; a progress bar over the kilobytes that were read."""
    total = size // KILOBYTE
    for checked in verdicts:
        counts.add(checked)
        if show is not None and console.is_terminal:
            done = int(counts.kilobytes)
            show("kB", done, max(total, done))
        yield checked


def _errors_only(checked: Checked) -> Checked:
    errors = [issue for issue in checked.issues if issue.severity in ("error", "fatal")]
    return checked._replace(issues=errors)


def _summary(counts: Counts, seconds: float) -> None:
    colour = "red" if counts.failed else "green"
    console.print(
        f"{counts.resources:,} resources: {counts.failed:,} with errors; {counts.errors:,} errors, "
        f"{counts.warnings:,} warnings ({seconds:.1f} s)",
        style=colour,
        highlight=False,
    )


def _official(paths: list[str], options: Options, jobs: int, form: str) -> int:
    """Both validators, and a list of what they see differently."""
    from adapter.validation import official
    from adapter.validation.output import comparison
    from adapter.validation.reading import documents
    from adapter.validation.run import check

    if form not in comparison.FORMATS:
        raise UsageError(f"--official writes {' or '.join(comparison.FORMATS)}, not {form}")
    if options.terminology != "local":
        raise UsageError("--official compares with --terminology local only")
    place = official.folder()
    official.ensure_installed(place, announce)
    found = [each for each in _or_nothing(documents(paths), paths) if each.fault is None]
    write = comparison.write_json if form == "json" else comparison.write_text
    out = _write_to_stdout()
    total = differing = failed = 0
    for each in official.compare(found, check(found, options, jobs), options, place):
        total += 1
        failed += each.ours.failed or bool(each.theirs)
        if not each.agrees:
            differing += 1
            write(each, out)
    sys.stdout.flush()
    announce(f"{total:,} resources: the two agree on {total - differing:,}, not on {differing:,}")
    return EXIT.findings if failed else EXIT.done
