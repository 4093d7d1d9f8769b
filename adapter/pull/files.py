"""What was pulled as files: one ``<Type>.ndjson`` a type, for their owner's eyes alone.

They are personal data as the EHR holds it: nothing in them is pseudonymised. A file appears whole
or not at all.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from adapter.errors import UsageError, Where
from adapter.fhir.json import dumps
from adapter.pull.store import Store

RECONCILE = "reconcile.json"


def prepare(out: Path) -> None:
    """Make the folder, mode 0700. Raises UsageError when others could read what stands there."""
    where = Where(file=str(out))
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = stat.S_IMODE(out.stat().st_mode)
    except OSError:
        raise UsageError("the folder cannot be made", where=where) from None
    if mode & 0o077:
        raise UsageError(
            "the folder can be read by other users, and personal data is to stand in it",
            where=where,
            hint=f"chmod 700 {out.name}, or name a folder that is not there yet",
        )


def write(store: Store, types: Iterable[str], out: Path) -> list[Path]:
    """Write one file a type, an empty one for a type with nothing, and ``reconcile.json``.

    The latter lists by type and id what was taken out since it was first read, and why (deleted,
    in-error, skipped, dropped), and Patients that another one stands for. Raises UsageError.
    """
    try:
        files = [_write(out / f"{kind}.ndjson", store.contents(kind)) for kind in types]
        listed = dumps({"changes": store.changes()})
        return [*files, _write(out / RECONCILE, [listed])]
    except OSError as error:
        raise UsageError(
            f"the files cannot be written: {type(error).__name__}",
            where=Where(file=str(out)),
            hint="what was read is kept: the same pull writes them again",
        ) from None


def _write(path: Path, lines: Iterable[bytes]) -> Path:
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)  # of a run that was killed
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for line in lines:
            file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    return path
