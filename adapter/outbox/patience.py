"""Patience with a server: how long a worker waits, and which of several workers knocks.

A server that is away hears of one worker only: the others wait for what that one finds out. How
long it is waited for is each worker's own account, and only something newly settled opens a new
one: a server that answers, and never gets anything done, is given up as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from adapter.errors import ProtocolError, UnavailableError
from adapter.fhir.backoff import backoff

LISTEN = 0.2  # seconds of real time after which one who waits sees that the run was stopped


class Breaker:
    """What the workers of a run share: whether the server is away, and who finds out."""

    def __init__(self, stopped: threading.Event):
        self._stopped = stopped
        self._changed = threading.Condition()
        self._knocking: object | None = None
        self._given_up: str | None = None

    def enter(self, who: object) -> None:
        """Wait while another worker finds out whether the server is back.

        Raises UnavailableError when that one gave up, or the run was stopped.
        """
        if self._knocking is None or self._knocking is who:
            return
        with self._changed:
            while self._knocking is not None and self._knocking is not who:
                if self._stopped.is_set():
                    raise UnavailableError("the run was stopped")
                if self._given_up:
                    raise UnavailableError(self._given_up)
                self._changed.wait(LISTEN)

    def open(self, who: object) -> bool:
        """The server is away; returns whether it is this worker that knocks from now on."""
        with self._changed:
            self._knocking = self._knocking or who
            return self._knocking is who

    def close(self) -> None:
        """The server answers: everybody may go on."""
        if self._knocking is None:
            return
        with self._changed:
            self._knocking = None
            self._changed.notify_all()

    def leave(self, who: object) -> None:
        """This worker does something else: if it was the one that knocks, another one does."""
        if self._knocking is who and not self._given_up:
            self.close()

    def give_up(self, message: str) -> None:
        """It was waited for long enough: nobody need knock any more."""
        with self._changed:
            self._given_up = message
            self._changed.notify_all()


class Patience:
    """One worker's account of waiting: ``wait`` seconds from the first failure on."""

    def __init__(
        self,
        breaker: Breaker,
        stopped: threading.Event,
        wait: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ):
        self._breaker, self._stopped = breaker, stopped
        self.wait, self.clock, self.sleep = wait, clock, sleep
        self._since: float | None = None
        self._delays = 0

    def renew(self) -> None:
        """Something was settled: whatever fails next is waited for from its beginning."""
        self._since, self._delays = None, 0

    def enter(self) -> None:
        """Wait while another worker knocks. Raises UnavailableError when that one gave up."""
        self._breaker.enter(self)

    def answered(self) -> None:
        """The server is there."""
        self._breaker.close()

    def leave(self) -> None:
        """Knock no more."""
        self._breaker.leave(self)

    def ask(self, question: Callable[[], Any]) -> Any:
        """The answer to a question that changes nothing, asked until the server answers."""
        while True:
            self.enter()
            try:
                answer = question()
            except (UnavailableError, ProtocolError) as error:
                self.pause(error)
                continue
            self.answered()
            self.renew()
            return answer

    def pause(self, error: Any, is_away: bool = True) -> None:
        """Wait after a failure; ``is_away`` when it was the server's, and not of one content.

        Raises UnavailableError when the account is empty, or the server asks for more than that.
        """
        if self._stopped.is_set():
            raise UnavailableError("the run was stopped")
        now = self.clock()
        if self._since is None:
            self._since = now
        left = self._since + self.wait - now
        if left <= 0:
            raise self._over(
                f"{error.message}; waited {self.wait:.0f} s",
                "nothing is lost: the same command goes on where this one stopped",
                is_away,
            ) from None
        asked: float = getattr(error, "retry_after", 0.0)
        if asked > left:
            raise self._over(
                f"the server asks to come back in {asked:.0f} s, later than --wait allows",
                "nothing is lost: push again after that time",
                is_away,
            ) from None
        if is_away and not self._breaker.open(self):
            return  # another worker knocks already
        delay = max(backoff(self._delays), asked)
        self._delays += 1
        self.sleep(min(delay, left))

    def _over(self, message: str, hint: str, is_away: bool) -> UnavailableError:
        if is_away:
            self._breaker.give_up(message)
        return UnavailableError(message, hint=hint)
