"""What every request carries, how long an answer may take, and what is said of a redirect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest

from adapter.errors import ConfigurationError
from adapter.fhir.bundles import reading_of
from adapter.fhir.transport import TooSlow, Transport
from tests.faults.faults import Fault
from tests.faults.server import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.store.versions["Patient/a"] = [{"resourceType": "Patient", "id": "a"}]
        yield running


def test_whatever_is_read_comes_past_every_cache(server: ScriptedServer) -> None:
    with closing(Transport(server.url)) as transport:
        transport.get("Patient/a")
        transport.get_any("Patient/a")
        transport.follow("Patient/a")
        transport.search("Patient", {"identifier": "a|b"})
        transport.post(reading_of(["Patient/a"]))
    assert [each["cache-control"] for each in server.seen] == ["no-cache"] * 5


@pytest.mark.parametrize(("held", "sent"), [("3", 'W/"3"'), (None, None)])
def test_what_is_written_alone_is_written_over_one_version(
    server: ScriptedServer, held: str | None, sent: str | None
) -> None:
    server.quirks.ignores_versions = True
    server.store.versions["Patient/a"] *= 3
    with closing(Transport(server.url)) as transport:
        transport.put("Patient/a", {"resourceType": "Patient", "id": "a"}, held)
        server.store.versions["Patient/a"] = server.store.versions["Patient/a"][:3]
        transport.delete("Patient/a", held)
    assert [each.get("if-match") for each in server.seen] == [sent, sent]


def test_an_answer_that_comes_drop_by_drop_ends_with_the_deadline(server: ScriptedServer) -> None:
    server.faults = (Fault("drip", "metadata"),)
    seconds = count()  # each look at the clock is a second later
    with (
        closing(
            Transport(server.url, deadline=5, max_bytes=50, clock=lambda: float(next(seconds)))
        ) as transport,
        pytest.raises(TooSlow, match="took too long"),
    ):
        transport.get("metadata")
    assert next(seconds) == 7


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://login.test:8443/CANARY/a?patient=CANARY#CANARY", "https://login.test:8443"),
        ("https://CANARY:CANARY@login.test/a", "https://login.test"),
        ("http://login.test?CANARY", "http://login.test"),
        ("/CANARY?patient=CANARY", "another path of it"),
        ("https://CANARY canary/a", "another path of it"),
        ("https://login.test:CANARY/", "nowhere"),
        ("", "nowhere"),
    ],
)
def test_a_redirect_is_told_by_where_it_leads_and_no_more(
    server: ScriptedServer, location: str, said: str
) -> None:
    server.faults = (Fault("status", "metadata", status=307, headers={"Location": location}),)
    with closing(Transport(server.url)) as transport, pytest.raises(ConfigurationError) as caught:
        transport.get("metadata")
    assert caught.value.message == f"the server sends us elsewhere: HTTP 307 to {said}"
