"""Types of which a server holds nothing: of those, nothing need be read before it is written.

One search a type takes the place of a read a resource. It is asked where the server says that it
searches the type; anything but a plain "there is none" means that every resource is read, and so
does a first write that is answered as one over something else: somebody else writes there too.
https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import threading
from typing import Any

from adapter.errors import ProtocolError, UnavailableError
from adapter.fhir.capability import Capability
from adapter.fhir.links import next_link
from adapter.fhir.transport import Refusal, Transport


class EmptyTypes:
    """The types of which a server held nothing before this run wrote any; its workers share it."""

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}
        self._lock = threading.Lock()
        self._trusted = True

    def has(self, transport: Transport, capability: Capability | None, kind: str) -> bool:
        """Whether the server held nothing of a type; asked once, before any of it is written.

        Raises AuthenticationError; what else goes wrong means no.
        """
        with self._lock:
            if self._trusted and kind not in self._known:
                stated = capability.of(kind).interactions if capability else frozenset()
                self._known[kind] = "search-type" in stated and self._ask(transport, kind)
            return self._trusted and self._known[kind]

    def doubt(self) -> None:
        """Read everything from now on: a first write found something there, or nobody answered."""
        self._trusted = False

    def _ask(self, transport: Transport, kind: str) -> bool:
        try:
            return _is_empty(transport.get(f"{kind}?_count=1").body)
        except (Refusal, ProtocolError):
            return False
        except UnavailableError:  # whoever reads next waits for it
            self.doubt()
            return False


def _is_empty(body: Any) -> bool:
    """Whether this is all of a searchset, and nothing is in it."""
    if not isinstance(body, dict) or body.get("type") != "searchset" or body.get("entry"):
        return False
    links = body.get("link", [])
    return isinstance(links, list) and next_link(links) is None and body.get("total", 0) == 0
