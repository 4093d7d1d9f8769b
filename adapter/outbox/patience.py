"""Patience with a server that is away: questions that change nothing are asked again.

It waits longer each time, with jitter, as long as the server itself asks (``Retry-After``), and
never longer than ``wait`` seconds without an answer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from adapter.errors import ProtocolError, ServerError, UnavailableError

T = TypeVar("T")

FIRST_DELAY, LONGEST_DELAY = 0.25, 10.0  # seconds
LATER = "nothing is lost: do the same again later"


class Patience:
    """The patience of one run with one server: ``wait`` seconds, anew after each answer."""

    def __init__(
        self,
        wait: float = 60,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self.wait, self._clock, self._sleep = wait, clock, sleep
        self._away_since: float | None = None
        self._delays = 0

    def ask(self, question: Callable[[], T]) -> T:
        """The answer, asked for until the server gives one.

        Raises UnavailableError after ``wait`` seconds without, and what else the question raises.
        """
        while True:
            try:
                answer = question()
            except (UnavailableError, ProtocolError) as error:
                self._pause(error)
            else:
                self._away_since, self._delays = None, 0
                return answer

    def _pause(self, error: ServerError) -> None:
        now = self._clock()
        if self._away_since is None:
            self._away_since = now
        left = self._away_since + self.wait - now
        if left <= 0:
            raise UnavailableError(
                f"{error.message}; waited {self.wait:.0f} s", hint=error.hint or LATER
            ) from None
        asked: float = getattr(error, "retry_after", 0.0)
        if asked > left:
            raise UnavailableError(
                f"the server asks to come back in {asked:.0f} s, later than --wait allows",
                hint=LATER,
            ) from None
        backoff = min(FIRST_DELAY * 2**self._delays, LONGEST_DELAY)
        jittered = backoff * (0.5 + random.random() / 2)  # noqa: S311  not a secret
        self._delays += 1
        self._sleep(min(max(jittered, asked), left))
