"""What people see: messages and progress on stderr, results on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:  # the stages are imported by the command that needs them
    from adapter.mapping import Progress as ProgressFunction

WIDE = 180  # columns where the output is a file or a pipe, so that no place is cut

console = Console(stderr=True, soft_wrap=True)
output = Console(soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)


def announce(message: str) -> None:
    """A line about something that happened, such as a new key."""
    console.print(message, markup=False, highlight=False)


@contextmanager
def progress_bars() -> Iterator[ProgressFunction]:
    """Progress bars on a terminal, one a stage; nothing where stderr is a file."""
    bars = Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    tasks = {}

    def show(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=total)
        bars.update(tasks[stage], completed=done, total=total)

    with bars:
        yield show
