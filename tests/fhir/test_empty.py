"""Which answers to a search prove that a server holds nothing of a type, and which do not."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.errors import AuthenticationError, ProtocolError, UnavailableError
from adapter.fhir.capability import Capability, TypeCapability
from adapter.fhir.empty import EmptyTypes
from adapter.fhir.transport import Answer, Refusal, TooSlow, Transport

SEARCHED = Capability(types={"Patient": TypeCapability(frozenset({"update", "search-type"}))})
NEXT = [{"relation": "next", "url": "http://127.0.0.1/fhir?_getpages=1"}]


class Searched(Transport):
    """A server whose searches all have the same answer, or fail the same way."""

    def __init__(self, said: Any):
        super().__init__("http://127.0.0.1/fhir")
        self.said, self.asked = said, list[str]()

    def get(self, path: str) -> Answer:
        self.asked.append(path)
        if isinstance(self.said, Exception):
            raise self.said
        return Answer(200, {}, self.said)


def page(**changed: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", **changed}


@pytest.mark.parametrize("said", [page(), page(total=0), page(total=0, entry=[], link=[])])
def test_an_empty_page_that_leads_nowhere_is_proof(said: Any) -> None:
    server = Searched(said)
    assert EmptyTypes().has(server, SEARCHED, "Patient")
    assert server.asked == ["Patient?_count=1"]


@pytest.mark.parametrize(
    "said",
    [
        page(total=3),
        page(link=NEXT),
        page(link=5),
        page(entry=[{"resource": {"resourceType": "Patient", "id": "a"}}]),
        page(entry=[{"resource": {"resourceType": "OperationOutcome"}}]),
        {"resourceType": "OperationOutcome"},
        {"resourceType": "Bundle", "type": "batch-response"},
        None,
        Refusal(403),
        ProtocolError("the answer is no JSON"),
        TooSlow("no answer within 60 s"),
    ],
)
def test_anything_else_is_none(said: Any) -> None:
    assert not EmptyTypes().has(Searched(said), SEARCHED, "Patient")


@pytest.mark.parametrize("stated", [None, Capability(), SEARCHED])
def test_what_it_does_not_say_that_it_searches_is_not_asked(stated: Capability | None) -> None:
    server = Searched(page())
    assert not EmptyTypes().has(server, stated, "Observation")
    assert not server.asked


def test_it_is_asked_once_as_what_follows_is_ours() -> None:
    types, server = EmptyTypes(), Searched(page())
    assert types.has(server, SEARCHED, "Patient")
    server.said = page(total=3)
    assert types.has(server, SEARCHED, "Patient")
    assert len(server.asked) == 1


def test_a_server_that_is_away_is_not_asked_of_every_type() -> None:
    both = Capability(types=dict.fromkeys(("Patient", "Group"), SEARCHED.types["Patient"]))
    types, server = EmptyTypes(), Searched(UnavailableError("the server does not answer"))
    assert not types.has(server, both, "Patient")
    assert not types.has(server, both, "Group")
    assert len(server.asked) == 1


def test_what_was_there_after_all_ends_the_trust() -> None:
    types, server = EmptyTypes(), Searched(page())
    assert types.has(server, SEARCHED, "Patient")
    types.doubt()
    assert not types.has(server, SEARCHED, "Patient")


def test_who_is_not_let_in_is_told() -> None:
    with pytest.raises(AuthenticationError):
        EmptyTypes().has(Searched(AuthenticationError("HTTP 401")), SEARCHED, "Patient")
