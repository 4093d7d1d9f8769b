"""Where links may lead, and as whom a file of strangers is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.fhir.access import Access
from adapter.fhir.json import dumps, loads
from adapter.fhir.links import ForeignLinkError, own_link
from adapter.fhir.transport import Transport

BASE = "https://fhir.hospital.test/r4"


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("https://fhir.hospital.test/r4?page=2", "https://fhir.hospital.test/r4?page=2"),
        ("https://FHIR.hospital.test:443/other", "https://fhir.hospital.test:443/other"),
        ("", f"{BASE}/"),
        ("?page=2", f"{BASE}/?page=2"),
        ("Observation?page=2", f"{BASE}/Observation?page=2"),
        ("/pages/2", "https://fhir.hospital.test/pages/2"),
        ("//fhir.hospital.test/r4", BASE),
        ("../../../x", "https://fhir.hospital.test/x"),
    ],
)
def test_links_of_the_server_itself(link: str, url: str) -> None:
    assert own_link(BASE, link).casefold() == url.casefold()


@pytest.mark.parametrize(
    "link",
    [
        "http://fhir.hospital.test/r4?page=2",
        "https://fhir.hospital.test:8443/r4",
        "https://evil.test/r4",
        "//evil.test/r4",
        "https://fhir.hospital.test\\@evil.test/r4",
        "https://fhir.hospital.test@evil.test/r4",
        "https://user@fhir.hospital.test/r4",
        "https://fhir.hospital.test.evil.test/",
        "https:/\\evil.test",
        "https://evil.test\t/",
        "\nhttps://evil.test",
        "https://[::1",
        "https://fhir.hospital.test:99999/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        None,
        7,
    ],
)
def test_links_that_are_not_followed(link: object) -> None:
    with pytest.raises(ForeignLinkError):
        own_link(BASE, link)


def test_strangers_see_neither_token_nor_certificate(tmp_path: Path) -> None:
    ours = Access(certificate=(tmp_path / "us.pem", tmp_path / "us.key"), proxy="http://proxy:3128")
    other = Transport(BASE, access=ours).stranger("https://files.test/a?signature=1")
    assert other.base_url == "https://files.test:443"
    assert other._session.cert is None
    assert other._identity.authorization() is None
    assert other._session.proxies["https"] == "http://proxy:3128"


@pytest.mark.parametrize(
    "link",
    [
        "http://files.test/a",
        "https://127.0.0.1/a",
        "https://localhost/a",
        "https://[::1]/a",
        "https://169.254.169.254/latest",
        "https://a:b@files.test/",
    ],
)
def test_strangers_that_are_not_asked(link: str) -> None:
    with pytest.raises(ForeignLinkError):
        Transport(BASE).stranger(link)


def test_a_number_with_a_great_exponent_is_not_written_out() -> None:
    assert dumps(loads("[1e999999999, 1.50, 12.0]")) == b"[1E+999999999,1.50,12.0]"
