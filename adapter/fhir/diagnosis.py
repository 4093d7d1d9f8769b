"""What can be seen of a server without writing to it: what it says, its clock, its TLS."""

from __future__ import annotations

import datetime as dt
import secrets
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from adapter.fhir.access import Access
from adapter.fhir.capability import Capability, read_capability
from adapter.fhir.transport import CLOCKS_APART, Transport, clock_difference

HANDSHAKE = 10.0  # seconds
SHOWN = 60  # characters of a name that a server gives itself


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a server shows of itself; ``clock`` is how many seconds ours is ahead, or None."""

    capability: Capability
    clock: float | None
    reads: int  # HTTP status of a read that finds nothing
    tls: tuple[str, str] | None  # version, and the day its certificate ends

    @property
    def clock_is_off(self) -> bool:
        """Whether tokens will be refused for it."""
        return self.clock is not None and abs(self.clock) > CLOCKS_APART

    @property
    def may_read(self) -> bool:
        """Whether we may read: what is not there is simply not there."""
        return self.reads in (200, 404, 410)

    def to_json(self) -> dict[str, Any]:
        """What a program wants to know."""
        said = self.capability
        return {
            "stated": said.stated,
            "fhir": said.release,
            "software": shown(said.software),
            "bundles": sorted(said.bundles),
            "clock": None if self.clock is None else round(self.clock),
            "reads": self.reads,
            "tls": self.tls and {"version": self.tls[0], "ends": self.tls[1]},
        }


def diagnose(transport: Transport, access: Access, release: str | None) -> Diagnosis:
    """Look at a server; writes nothing.

    Raises ConfigurationError when it speaks another FHIR release than this one, and what the
    transport raises.
    """
    capability = read_capability(transport, release)
    looked = transport.get_any(f"ResearchStudy/none-{secrets.token_hex(8)}")
    return Diagnosis(
        capability=capability,
        clock=clock_difference(looked),
        reads=looked.status,
        tls=None if access.proxy else tls_of(transport.base_url, access),
    )


def tls_of(url: str, access: Access) -> tuple[str, str] | None:
    """TLS version and the last day of the server's certificate; None where there is no TLS."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return None
    context = ssl.create_default_context(cafile=str(access.ca_file or DEFAULT_CA_BUNDLE_PATH))
    if access.certificate:
        context.load_cert_chain(*access.certificate)
    try:
        address = (parts.hostname, parts.port or 443)
        with (
            socket.create_connection(address, timeout=HANDSHAKE) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
        ):
            certificate = secure.getpeercert() or {}
            version = secure.version() or ""
    except OSError:
        return None
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return version, dt.datetime.fromtimestamp(ends, dt.UTC).date().isoformat()


def shown(name: str) -> str:
    """A name that a server gave itself, safe on a terminal."""
    return "".join(each if each.isprintable() else "?" for each in name[:SHOWN])
