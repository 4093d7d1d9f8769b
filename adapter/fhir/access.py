"""The way to a server: who we are there, whose certificates count, and what stands between."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Identity(Protocol):
    """Who we are towards a server; one object for all workers of a run."""

    def authorization(self) -> str | None:
        """The ``Authorization`` header of the next request, or None."""

    def renewed(self, refused: str | None) -> str | None:
        """Another header than the one that was refused with 401, or None when there is none."""


class Nobody:
    """No credentials."""

    def authorization(self) -> str | None:
        """Nothing."""
        return None

    def renewed(self, refused: str | None) -> str | None:  # noqa: ARG002
        """Nothing."""
        return None


@dataclass(frozen=True, slots=True)
class Access:
    """How a server is reached: identity, own authorities, our certificate with its key, proxy."""

    identity: Identity = field(default_factory=Nobody)
    ca_file: Path | None = None
    certificate: tuple[Path, Path] | None = None
    proxy: str | None = None
