"""The cells that an entity was made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """A row, the columns of it that an entity was made of, and the recipe that made it."""

    source: str
    line: int
    columns: tuple[str, ...]
    recipe: str = ""  # its name in study.yaml
