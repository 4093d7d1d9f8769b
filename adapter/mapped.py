"""What mapping hands on: resources that know the cells they came from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from adapter.fhir.json import content_hash
from adapter.fhir.order import reference_to
from adapter.recipes import Origin


@dataclass(frozen=True)
class Mapped:
    """A FHIR resource, the subject it belongs to (Patient id, "" for the study) and its origins.

    Its resource does not change any more.
    """

    resource: dict[str, Any]
    subject: str
    origins: tuple[Origin, ...] = ()

    @property
    def reference(self) -> str:
        """``Type/id``."""
        return reference_to(self.resource)

    @property
    def source(self) -> str | None:
        """The source of study.yaml that its rows came from, where it came from rows."""
        return self.origins[0].source if self.origins else None

    @cached_property
    def digest(self) -> str:
        """The hash of its content."""
        return content_hash(self.resource)
