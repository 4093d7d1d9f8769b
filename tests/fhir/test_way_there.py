"""The way to a server: TLS that must hold, our certificate, a proxy, and a deaf environment."""

from __future__ import annotations

import re
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.errors import EXIT, ConfigurationError, ServerError, StudyFhirError, outcome_of
from adapter.fhir.auth import access_to
from adapter.fhir.transport import Transport
from adapter.settings import AuthSettings, ServerSettings
from tests.servers.authority import Authority, serving
from tests.servers.smart import Rules, smart_server

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "CANARY-OURS"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def bearer(tmp_path: Path) -> AuthSettings:
    file = tmp_path / "token"
    file.write_text(TOKEN, encoding="ascii")
    file.chmod(0o600)
    return AuthSettings("bearer", secret_file=file)


def rules() -> Rules:
    return Rules(accepts={f"Bearer {TOKEN}"})


def read(settings: ServerSettings) -> int:
    transport = Transport(settings.url, access=access_to(settings), timeout=5, deadline=5)
    try:
        return transport.get("Basic/b1").status
    finally:
        transport.close()


# --- T15: TLS -----------------------------------------------------------------------------------


def test_t15_an_authority_of_the_hospital_is_trusted_when_it_is_named(
    authority: Authority, bearer: AuthSettings
) -> None:
    with smart_server(rules(), serving(authority.issue("good"))) as server:
        settings = ServerSettings("hospital", server.url, bearer, ca_file=authority.ca)
        assert read(settings) == 200
        with pytest.raises(ConfigurationError, match="certificate is not accepted"):
            read(ServerSettings("hospital", server.url, bearer))
        assert len(server.fhir_requests) == 1


@pytest.mark.parametrize(
    ("address", "expired", "self_signed"),
    [("127.0.0.1", True, False), ("127.0.0.1", False, True), ("192.0.2.1", False, False)],
    ids=["expired", "self-signed", "of another host"],
)
def test_t15_a_bad_certificate_stops_before_anything_is_sent(
    authority: Authority, bearer: AuthSettings, address: str, expired: bool, self_signed: bool
) -> None:
    bad = authority.issue("bad", address, expired=expired, self_signed=self_signed)
    with smart_server(rules(), serving(bad)) as server:
        with pytest.raises(ConfigurationError, match="certificate is not accepted") as caught:
            read(ServerSettings("hospital", server.url, bearer, ca_file=authority.ca))
        assert server.fhir_requests == []
    assert outcome_of(caught.value).exit == EXIT.configuration


def test_t15_tls_1_1_is_refused(authority: Authority, bearer: AuthSettings) -> None:
    old = serving(authority.issue("old"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with smart_server(rules(), old) as server:
        with pytest.raises(ConfigurationError, match="certificate is not accepted"):
            read(ServerSettings("hospital", server.url, bearer, ca_file=authority.ca))
        assert server.fhir_requests == []


def test_t15_nothing_switches_verification_off() -> None:
    switched_off = re.compile(
        r"verify\s*=\s*False|verify_mode|CERT_NONE|_create_unverified|check_hostname\s*=\s*False"
    )
    files = [*(ROOT / "adapter").rglob("*.py"), *(ROOT / "mappings").rglob("*.py")]
    assert [str(file) for file in files if switched_off.search(file.read_text("utf-8"))] == []


# --- our own certificate ------------------------------------------------------------------------


def test_a_server_that_asks_for_our_certificate(authority: Authority, bearer: AuthSettings) -> None:
    context = serving(authority.issue("good"), asks_of=authority.ca)
    with smart_server(rules(), context) as server:
        settings = ServerSettings(
            "hospital", server.url, bearer,
            ca_file=authority.ca, certificate=authority.issue("us"),
        )  # fmt: skip
        assert read(settings) == 200
        with pytest.raises((ConfigurationError, ServerError)):
            read(ServerSettings("hospital", server.url, bearer, ca_file=authority.ca))
        assert len(server.fhir_requests) == 1


@pytest.mark.parametrize(
    "fault", ["key of another", "open key", "no key", "passphrase", "no ca", "no pem"]
)
def test_unfit_certificate_files_are_named(
    authority: Authority, bearer: AuthSettings, tmp_path: Path, fault: str
) -> None:
    certificate, key = authority.issue("us")
    ca: Path | None = None
    if fault == "key of another":
        key = authority.issue("others")[1]
    elif fault == "open key":
        key.chmod(0o644)
    elif fault == "passphrase":  # never asked for: a nightly job would wait for ever
        key = authority.encrypted(key)
    elif fault == "no key":
        key = tmp_path / "nothing"
    elif fault == "no ca":
        ca = tmp_path / "nothing"
    else:
        ca = tmp_path / "ca.pem"
        ca.write_text("CANARY", encoding="ascii")
    settings = ServerSettings(
        "hospital", "https://fhir.test", bearer, ca_file=ca, certificate=(certificate, key)
    )
    with pytest.raises(ConfigurationError, match=r"cannot be used|other users") as caught:
        access_to(settings)
    assert caught.value.where
    assert "CANARY" not in str(caught.value)


# --- T18: the environment -----------------------------------------------------------------------


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login CANARY-NETRC password CANARY-NETRC\n", encoding="ascii")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(netrc))
    return


@pytest.mark.usefixtures("hostile")
def test_t18_netrc_and_proxies_of_the_environment_are_ignored(bearer: AuthSettings) -> None:
    with smart_server(rules()) as server:
        assert read(ServerSettings("hospital", server.url, bearer)) == 200
        assert [header for _, header, _ in server.fhir_requests] == [f"Bearer {TOKEN}"]


@pytest.mark.usefixtures("hostile")
def test_t18_certificate_bundles_of_the_environment_are_ignored(
    authority: Authority, bearer: AuthSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca))
    with smart_server(rules(), serving(authority.issue("good"))) as server:
        assert read(ServerSettings("hospital", server.url, bearer, ca_file=authority.ca)) == 200
        with pytest.raises(ConfigurationError, match="not accepted"):
            read(ServerSettings("hospital", server.url, bearer))
        assert len(server.fhir_requests) == 1


@pytest.mark.usefixtures("hostile")
def test_t18_the_proxy_of_the_settings_is_used(bearer: AuthSettings) -> None:
    with smart_server(rules()) as proxy:  # a proxy gets the whole URL, and may answer itself
        settings = ServerSettings(
            "hospital", "http://127.0.0.1:9/fhir", bearer, proxy=proxy.url.removesuffix("/fhir")
        )
        assert read(settings) == 200
        assert len(proxy.fhir_requests) == 1


def test_t18_a_proxy_that_is_down_defers(bearer: AuthSettings) -> None:
    settings = ServerSettings(
        "hospital", "http://127.0.0.1:9/fhir", bearer, proxy="http://127.0.0.1:9"
    )
    with pytest.raises(StudyFhirError) as caught:
        read(settings)
    assert outcome_of(caught.value).exit == EXIT.deferred
