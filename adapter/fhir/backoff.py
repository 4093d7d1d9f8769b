"""How long to wait before the next try: doubled each time, and not the same for everybody."""

from __future__ import annotations

import random

FIRST_DELAY, LONGEST_DELAY = 0.25, 10.0  # seconds


def backoff(number: int, first: float = FIRST_DELAY, longest: float = LONGEST_DELAY) -> float:
    """Seconds before try ``number`` + 1: half to the whole of ``first`` times two to its power."""
    full = min(first * 2.0 ** min(number, 30), longest)
    return full * (0.5 + random.random() / 2)  # noqa: S311  not a secret
