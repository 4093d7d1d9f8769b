"""What a run hands on: entities and resources that know the cells they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Origin:
    """A row, the columns of it that an entity was made of, and the recipe that made it."""

    source: str
    line: int
    columns: tuple[str, ...]
    recipe: str = ""  # its name in study.yaml


@dataclass(frozen=True, slots=True)
class Mapped:
    """A FHIR resource, the subject it belongs to (Patient id, "" for the study) and its origins."""

    resource: dict[str, Any]
    subject: str
    origins: tuple[Origin, ...] = ()

    @property
    def reference(self) -> str:
        """``Type/id``."""
        return f"{self.resource['resourceType']}/{self.resource['id']}"
