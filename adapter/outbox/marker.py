"""What the outbox knew last, in a small file apart from it: so that a lost one is noticed.

An outbox that was emptied, put back from an old backup or replaced by another would send what was
withdrawn, and write over what others changed. The marker names the outbox, the last line of its
ledger, and the withdrawn subjects of each server by their pseudonymous ids. It is written when a
run begins and ends and when a subject is withdrawn, after the outbox itself: it never knows more.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from adapter.errors import OutboxError, Where
from adapter.fhir.json import dumps, loads


@dataclass(frozen=True, slots=True)
class Marker:
    """The outbox by its UUID, how long its ledger was, the hash of the last line, who was withdrawn
    from which server."""

    outbox: str
    lines: int = 0
    hash: str = ""
    withdrawn: dict[str, tuple[str, ...]] = field(default_factory=dict)


def marker_of(outbox: Path) -> Path:
    """Where the marker of an outbox file is, when nothing else is said: beside it."""
    return outbox.with_name(f"{outbox.stem}.marker.json")


def lost_of(marker: Path) -> Path:
    """What the marker of a lost outbox is renamed to, so that a new one may begin."""
    return marker.with_name(f"{marker.name.removesuffix('.marker.json')}.lost.json")


def read(path: Path) -> Marker | None:
    """The marker in a file; None without the file. Raises OutboxError for what is no marker."""
    try:
        said = loads(path.read_bytes())
        gone = {str(name): tuple(map(str, ids)) for name, ids in said["withdrawn"].items()}
        return Marker(str(said["outbox"]), int(said["lines"]), str(said["hash"]), gone)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise OutboxError(
            "the marker of the outbox cannot be read",
            where=Where(file=str(path)),
            hint="may this user read it? put it back from a backup, with the outbox of that time",
        ) from None


def write(path: Path, marker: Marker) -> None:
    """Put the marker in the place of the one before, in one step. Raises OutboxError."""
    said = {"outbox": marker.outbox, "lines": marker.lines, "hash": marker.hash,
            "withdrawn": {name: list(ids) for name, ids in marker.withdrawn.items()}}  # fmt: skip
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(dumps(said) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise OutboxError(
            f"the marker of the outbox cannot be written ({type(error).__name__})",
            where=Where(file=str(path)),
            hint="is there room on the disk, and may this user write this folder?",
        ) from None


def refusal(what: str, path: Path, where: str) -> OutboxError:
    """An outbox that is not the one that the marker tells of."""
    return OutboxError(
        f"the outbox {what}: withdrawn subjects could be sent again",
        where=Where(file=where),
        hint=f"put back its newest backup; if there is none, rename {path} to "
        f"{lost_of(path).name}: a new outbox begins, and who was withdrawn stays blocked",
    )
