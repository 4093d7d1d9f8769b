"""What a validator has to say about a resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Issue:
    """One finding; ``path`` is FHIRPath, ``code`` of http://hl7.org/fhir/issue-type."""

    severity: str  # error | warning | information
    code: str
    path: str
    message: str
    messageId: str | None = None  # noqa: N815  the name in the JSON contract
    profile: str | None = None
    constraint: str | None = None
    resourceType: str | None = None  # noqa: N815
    id: str | None = None
    file: str | None = None
    line: int | None = None

    @property
    def rule(self) -> str:
        """What was broken, in words that quote nothing of the resource."""
        if self.constraint:
            return self.message
        return f"{self.code} ({self.messageId})" if self.messageId else self.code

    def below(self, prefix: str) -> Issue:
        """The same issue, its path seen from the element that ``prefix`` leads from."""
        return Issue(
            self.severity,
            self.code,
            prefix + self.path,
            self.message,
            self.messageId,
            self.profile,
            self.constraint,
        )

    def to_json(self) -> dict[str, Any]:
        """The issue as one object of ``--format json``."""
        names = "file line resourceType id severity code path message messageId profile constraint"
        return {name: getattr(self, name) for name in names.split()}
