"""Where a server's own links may lead: to that server, and nowhere else with our token.

What is judged is the URL as it would be requested, since two parsers may see two hosts in one
text. https://hl7.org/fhir/smart-app-launch/backend-services.html#security-considerations
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from adapter.errors import ProtocolError
from adapter.urls import PORTS, is_url


class ForeignLinkError(ProtocolError):
    """A link that leads away from the server, or that two readers may read in two ways."""


def absolute(base: str, link: object) -> str:
    """A link of a server as it would be requested; a relative one counts from the base.

    Raises ForeignLinkError for what is no address of http or https, has user info, a backslash
    or blanks.
    """
    if not isinstance(link, str) or re.search(r"[\x00-\x20\x7f\\]", link):
        raise ForeignLinkError("the server gives a link that is no address")
    try:
        url = requests.Request("GET", urljoin(f"{base}/", link)).prepare().url or ""
    except (requests.exceptions.RequestException, ValueError):
        url = ""
    if not is_url(url) or "@" in urlsplit(url).netloc or "\\" in url:
        raise ForeignLinkError("the server gives a link that is no address")
    return url


def is_local(url: str) -> bool:
    """Whether a URL is of this machine or its own cable, by its name or literal address."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_link_local or address.is_unspecified


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an absolute URL."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or PORTS[parts.scheme]


def own_link(base: str, link: object) -> str:
    """A link of a server as it would be requested, if it stays there. Raises ForeignLinkError."""
    url = absolute(base, link)
    if origin(url) != origin(absolute(base, base)):
        raise ForeignLinkError(
            "the server gives a link that leads to another origin: it is not followed",
            hint="a server behind a proxy must be told its public address (scheme, host, port)",
        )
    return url


def next_link(links: Any) -> str | None:
    """The URL of the next page that the links of a Bundle or manifest name, or None."""
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next":
            return str(link.get("url"))
    return None
