"""Addresses that people write: of servers, of proxies, of where tokens come from."""

from __future__ import annotations

from urllib.parse import urlsplit

from adapter.errors import ConfigurationError

PORTS = {"http": 80, "https": 443}


def is_url(text: str) -> bool:
    """Whether this is an absolute URL of http or https, with a host and a port that can be."""
    try:
        parts = urlsplit(text)
        return parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port over 65535, half an IPv6 address
        return False


def base_of(url: str) -> str:
    """A base URL without slash at its end. Raises ConfigurationError when it is none of FHIR."""
    parts = urlsplit(url) if is_url(url) else None
    if parts is None or "@" in parts.netloc or "\\" in url or parts.query or parts.fragment:
        raise ConfigurationError(
            "this is no base URL of a FHIR server",
            hint="it looks like https://host/fhir, without user, query or fragment",
        )
    return url.rstrip("/")
