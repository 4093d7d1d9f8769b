"""The command line in a process of its own, so that exit codes and tracebacks are real.

Each process is forked from one that has the command line loaded: half a second less for each. Not
for commands that start processes themselves: the pool of ``validate --jobs`` hung in one once.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from adapter.cli import COMMANDS, main, module_of

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([module_of(name) for name in COMMANDS])
LIMIT = 120  # seconds


def study_fhir(*args: object) -> subprocess.CompletedProcess[str]:
    """Run a command; it has this process's environment and folder, and nothing to read."""
    words = list(map(str, args))
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder)
        process = FORKS.Process(target=_run, args=(words, dict(os.environ), said))
        process.start()
        process.join(LIMIT)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, LIMIT)
        out, err = ((said / name).read_text(encoding="utf-8") for name in ("out", "err"))
    return subprocess.CompletedProcess(words, process.exitcode, out, err)


def _run(words: list[str], environment: dict[str, str], folder: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, name in ((1, "out"), (2, "err")):
        with (folder / name).open("wb") as file:
            os.dup2(file.fileno(), number)
    sys.argv = ["study-fhir", *words]
    main()
