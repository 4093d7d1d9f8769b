"""What stands in a Bundle of writes, and whether an answer to a read is what was asked for."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from adapter.errors import ProtocolError
from adapter.fhir.bundles import read_singly, writing
from adapter.fhir.transport import Transport
from adapter.outbox.changes import Change
from tests.faults.server import ScriptedServer


def change(**more: Any) -> Change:
    return Change("Patient/a", "a", b"{}", "h", **more)


@pytest.mark.parametrize(("action", "method"), [("put", "PUT"), ("delete", "DELETE")])
def test_every_write_of_a_bundle_is_of_one_version(action: str, method: str) -> None:
    known, new = change(action=action, version="3"), change(action=action)
    entries = writing("http://h/fhir", "transaction", [known, new])["entry"]
    assert [each["request"] for each in entries] == [
        {"method": method, "url": "Patient/a", "ifMatch": 'W/"3"'},
        {"method": method, "url": "Patient/a"},
    ]


@pytest.mark.parametrize(
    "other",
    [{"resourceType": "Patient", "id": "b"}, {"resourceType": "Person", "id": "a"}, {}],
    ids=["id", "type", "nothing"],
)
def test_a_read_that_is_answered_with_something_else_is_no_answer(other: dict[str, str]) -> None:
    with ScriptedServer() as server, closing(Transport(server.url)) as transport:
        server.store.versions["Patient/a"] = [other]
        with pytest.raises(ProtocolError, match="another resource"):
            read_singly(transport, ["Patient/a"])
