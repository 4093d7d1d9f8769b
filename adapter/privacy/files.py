"""Files that hold personal data, or may: for their owner alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from adapter.errors import UsageError, Where


def write_private(path: Path, data: bytes) -> None:
    """Write a file with mode 0600, one that was there already too. Raises UsageError."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(number, "wb") as file:
            if stat.S_ISREG(os.fstat(number).st_mode):  # a pipe or a terminal stays as it is
                os.fchmod(number, 0o600)
            file.write(data)
    except OSError:
        raise UsageError("the file cannot be written", where=Where(file=str(path))) from None
