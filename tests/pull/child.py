"""A pull in a process of its own that kills itself at the N-th page, before or after it is kept.

python tests/pull/child.py FOLDER URL N before|after
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2])]

from adapter.fhir.transport import Transport  # noqa: E402  after the path
from adapter.pull import pull  # noqa: E402
from adapter.pull.store import Store  # noqa: E402
from adapter.settings import PullSettings  # noqa: E402


def main(folder: Path, url: str, number: int, moment: str) -> None:
    keep = Store.take_page
    pages: list[None] = []

    def take_page(self: Store, *args: Any) -> Any:
        pages.append(None)
        if len(pages) == number and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        kept = keep(self, *args)
        if len(pages) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return kept

    Store.take_page = take_page  # type: ignore[method-assign, assignment]
    settings = PullSettings("cohort.csv", folder / "cohort.csv", ("Patient", "Observation"))
    state = folder / ".study-fhir" / "pull.sqlite"
    pull(settings, Transport(url), state=state, out=folder / "out", study="TEST01", server="ehr")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
