"""How long a server is waited for, and how often it is asked again.

A server that is away is waited for; one that stumbles over a single request is asked a few times,
then the request is given up for this run and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from adapter.errors import UnavailableError
from adapter.fhir.backoff import LONGEST_DELAY, backoff
from adapter.fhir.transport import Unknown

TRIES = 3
AWAY = frozenset((408, 425, 429, 503))  # of the server as a whole, whatever was asked

Clock = Callable[[], float]
Sleep = Callable[[float], None]
T = TypeVar("T")


class AwayError(UnavailableError):
    """The server is not there, or not ready, within the time that it was given."""


class Patience:
    """The budget of one run: ``wait`` seconds for a server that is away."""

    def __init__(self, wait: float, clock: Clock, sleep: Sleep):
        self.wait, self.clock, self._sleep = wait, clock, sleep
        self._away_since: float | None = None
        self._delays = 0

    def ask(self, request: Callable[[], T]) -> T:
        """The answer to a request, asked again while that may help.

        Raises AwayError when the server is away for longer than the budget, and UnavailableError
        when this request alone fails.
        """
        tries = 0
        while True:
            try:
                answer = request()
            except UnavailableError as error:
                alone = isinstance(error, Unknown) and error.status not in AWAY
                tries += alone
                if tries >= TRIES:
                    raise
                self._pause(error, of_one=alone)
            else:
                self._away_since, self._delays = None, 0
                return answer

    def _pause(self, error: UnavailableError, *, of_one: bool) -> None:
        now = self.clock()
        if self._away_since is None:
            self._away_since = now
        asked = error.retry_after if isinstance(error, Unknown) else 0.0
        delay = max(backoff(self._delays), asked)
        self._delays += 1
        left = self._away_since + self.wait - now
        if of_one:
            self._sleep(min(delay, LONGEST_DELAY))
        elif left <= 0 or asked > left:
            raise AwayError(
                f"{error.message}; waited {now - self._away_since:.0f} s",
                hint="what was read is kept: the same pull goes on from there",
            ) from None
        else:
            self._sleep(min(delay, left))
