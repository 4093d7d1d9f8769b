"""How long a busy server asks us to wait."""

from __future__ import annotations

import time

import pytest

from adapter.fhir.answers import Answer

NOON = 1_710_504_000.0  # 15 March 2024, 12:00:00 UTC


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Fri, 15 Mar 2024 12:00:05 GMT", 5.0),
        ("Fri, 15 Mar 2024 13:00:05 +0100", 5.0),
        ("Friday, 15-Mar-24 12:01:00 GMT", 60.0),  # as servers wrote it before 1994
        ("Fri, 15 Mar 2024 11:59:00 GMT", 0.0),
        ("Fri, 15 Mar 2024", 0.0),
        ("7", 7.0),
        ("٧", 0.0),
        ("1e3", 0.0),
        ("tomorrow", 0.0),
    ],
)
def test_a_date_counts_from_now(monkeypatch: pytest.MonkeyPatch, said: str, seconds: float) -> None:
    monkeypatch.setattr(time, "time", lambda: NOON)
    assert Answer(503, {"retry-after": said}, None).retry_after == seconds
