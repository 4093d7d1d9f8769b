"""What a pull did: counts by type, and what is left to do, without an id or a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapter.errors import EXIT, AuthenticationError, StudyFhirError, outcome_of
from adapter.pull.keeping import DELETED, DUPLICATE, NEW, UPDATED, Counts
from adapter.pull.sieve import DROPPED, IN_ERROR, SKIPPED

COLUMNS = ("read", NEW, UPDATED, DUPLICATE, DROPPED, SKIPPED, IN_ERROR, DELETED, "open")
INCOMING = (NEW, UPDATED, DUPLICATE, DROPPED, SKIPPED, IN_ERROR)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person should look at: where it was, and why."""

    type: str
    place: str  # a line of the cohort file or of a file of an export; "" where there is none
    reason: str

    def to_json(self) -> dict[str, str]:
        """The same, for a program."""
        return {"type": self.type, "place": self.place, "reason": self.reason}


@dataclass(slots=True)
class Pulled:
    """A pull, ended or stopped; ``stopped`` is what ended it before its time."""

    mode: str
    types: Counts = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    requests: int = 0
    stopped: StudyFhirError | None = None

    @property
    def exit(self) -> int:
        """That of what stopped it; 1 when something is open or to be looked at, else 0."""
        if self.stopped is not None:
            return outcome_of(self.stopped).exit
        flags = (DROPPED, SKIPPED, "open")
        flagged = any(counts[name] for counts in self.types.values() for name in flags)
        return EXIT.findings if self.problems or flagged else EXIT.done

    def add(self, counts: Counts) -> None:
        """So much more came in."""
        for kind, some in counts.items():
            mine = self.types.setdefault(kind, Counter())
            mine.update(some)
            mine["read"] += sum(some[name] for name in INCOMING)

    def left(self, counts: Mapping[str, int]) -> None:
        """So many children, or files of an export, are open by type."""
        for kind, count in counts.items():
            self.types.setdefault(kind, Counter())["open"] = count

    def problem(self, kind: str, place: str, error: StudyFhirError | str) -> None:
        """Something to look at."""
        reason = error if isinstance(error, str) else error.message
        self.problems.append(Problem(kind, place, reason))

    def stop(self, error: StudyFhirError) -> None:
        """This ended the run; what was read before is kept."""
        if self.stopped is None or isinstance(error, AuthenticationError):
            self.stopped = error

    def to_json(self) -> dict[str, Any]:
        """Counts, places and reasons: nothing of a child."""
        return {
            "mode": self.mode,
            "exit": self.exit,
            "requests": self.requests,
            "types": {
                kind: {name: counts[name] for name in COLUMNS}
                for kind, counts in sorted(self.types.items())
            },
            "problems": [each.to_json() for each in self.problems],
        }
