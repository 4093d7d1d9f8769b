"""Reads of what a server holds, with patience: a busy moment ends none of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import islice
from typing import Any

from adapter.errors import UnavailableError
from adapter.fhir.bundles import MAX_ENTRIES, Reading, read_all
from adapter.fhir.transport import Answer, Refusal, Transport
from adapter.outbox.patience import Breaker, Patience

Resource = dict[str, Any]
LATER = "nothing is lost: do the same again later"


class Reader:
    """Asks again while a server is away, for ``wait`` seconds, anew after each answer.

    ``reading`` is how much one batch of reads may hold there.
    """

    def __init__(
        self,
        transport: Transport,
        wait: float = 60,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        reading: Reading | None = None,
    ):
        self._transport, self._reading = transport, reading or Reading()
        stopped = threading.Event()
        self._patience = Patience(Breaker(stopped), stopped, wait, clock, sleep)

    def ask(self, question: Callable[[], Any]) -> Any:
        """The answer to a question that changes nothing. Raises UnavailableError."""
        try:
            return self._patience.ask(question)
        except UnavailableError as error:
            raise UnavailableError(error.message, hint=LATER) from None

    def get(self, place: str) -> Answer:
        """One resource. Raises UnavailableError after ``wait`` seconds, Refusal for a 4xx."""
        answer: Answer = self.ask(partial(self._transport.get, place))
        return answer

    def read(self, places: Collection[str]) -> dict[str, Resource]:
        """What is there of these, by place. Raises as ``get`` does, but for what is not there."""
        found: dict[str, Resource] = {}
        every = iter(places)
        while page := list(islice(every, MAX_ENTRIES)):
            found |= self.ask(partial(read_all, self._transport, page, self._reading))
        return found

    def absent(self, places: Collection[str]) -> Iterator[str]:
        """Those that the server does not show. Raises UnavailableError."""
        every = iter(sorted(places))
        while page := list(islice(every, MAX_ENTRIES)):
            try:
                found = set(self.read(page))
            except Refusal:  # it refuses one of them: which?
                found = {place for place in page if self._shows(place)}
            yield from (place for place in page if place not in found)

    def _shows(self, place: str) -> bool:
        try:
            return bool(self.read([place]))
        except Refusal:
            return False
