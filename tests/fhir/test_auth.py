"""Getting in: every way to authenticate, tokens that end, and servers that are wrong about it."""

from __future__ import annotations

import base64
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from adapter.errors import (
    EXIT,
    AuthenticationError,
    ConfigurationError,
    StudyFhirError,
    UnavailableError,
    outcome_of,
)
from adapter.fhir.auth import Grant, Tokens, access_to, client_key
from adapter.fhir.transport import Answer, Transport
from adapter.settings import AuthSettings, ServerSettings
from tests.servers.smart import Rules, smart_server

SECRET = "CANARY-SECRET-å".replace("å", "a")
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP384R1())
KEYS: dict[str, Any] = {"RS384": RSA_KEY, "ES384": EC_KEY}


def pem(key: Any) -> str:
    return str(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
    )


def jwk(key: Any, **more: str) -> str:
    to = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return json.dumps({**to.to_jwk(key, as_dict=True), **more})


def secret_file(folder: Path, text: str, name: str = "secret") -> Path:
    file = folder / name
    file.write_text(text + "\n", encoding="utf-8")
    file.chmod(0o600)
    return file


def no_wait(_: float) -> None:
    """Time is not what is tested."""


def transport_to(settings: ServerSettings) -> Transport:
    return Transport(settings.url, access=access_to(settings, no_wait), timeout=5, deadline=5)


def smart(
    rules: Rules, folder: Path, algorithm: str = "ES384", **auth: Any
) -> tuple[ServerSettings, Transport]:
    """A client whose key is registered with the server."""
    file = secret_file(folder, pem(KEYS[algorithm]), "key.pem")
    known = AuthSettings("smart", client_id=rules.client_id, secret_file=file, **auth)
    settings = ServerSettings("hospital", rules.url, known)
    rules.jwks = client_key(settings).jwks()
    return settings, transport_to(settings)


@pytest.fixture
def rules() -> Iterator[Rules]:
    with smart_server(Rules()) as rules:
        yield rules


# --- every way in ------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_smart_backend_services_with_a_signature_that_verifies(
    rules: Rules, tmp_path: Path, algorithm: str
) -> None:
    _, transport = smart(rules, tmp_path, algorithm)
    assert transport.get("Basic/b1").status == 200
    assert rules.token_requests[0]["scope"] == "system/*.cruds"
    assert rules.token_requests[0]["grant_type"] == "client_credentials"
    transport.close()


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_jwk_and_a_jwks_of_one_are_keys_too(rules: Rules, tmp_path: Path, algorithm: str) -> None:
    text = jwk(KEYS[algorithm], kid="2026-a")
    for name, written in (("jwk", text), ("jwks", json.dumps({"keys": [json.loads(text)]}))):
        file = secret_file(tmp_path, written, name)
        auth = AuthSettings("smart", client_id="study", secret_file=file)
        settings = ServerSettings("hospital", rules.url, auth)
        key = client_key(settings)
        assert (key.public["kid"], key.algorithm) == ("2026-a", algorithm)
        assert not {"d", "p", "q", "dp", "dq", "qi"} & key.public.keys()
        rules.jwks = key.jwks()
        transport = transport_to(settings)
        assert transport.get("Basic/b1").status == 200
        transport.close()


def test_a_key_that_is_not_registered_is_refused(rules: Rules, tmp_path: Path) -> None:
    _, transport = smart(rules, tmp_path, "ES384")
    other = ec.generate_private_key(ec.SECP384R1())
    stranger = json.loads(ECAlgorithm.to_jwk(other.public_key()))
    assert rules.jwks
    rules.jwks["keys"][0] = {**rules.jwks["keys"][0], **stranger}  # the kid of ours
    with pytest.raises(AuthenticationError, match="HTTP 401 invalid_client") as caught:
        transport.get("Basic/b1")
    assert "CANARY" not in str(caught.value)
    assert rules.fhir_requests == []
    transport.close()


def test_every_assertion_is_good_once(rules: Rules, tmp_path: Path) -> None:
    _, transport = smart(rules, tmp_path)
    for _ in range(3):
        rules.revoke()
        transport.get("Basic/b1")
    assert len(rules.jtis) == len(rules.token_requests) == 3
    transport.close()


@pytest.mark.parametrize("how", ["basic", "post"])
def test_client_credentials(rules: Rules, tmp_path: Path, how: str) -> None:
    rules.client_id, rules.secret = "our study:1", f"{SECRET}+/ %:="
    auth = AuthSettings(
        "oauth2", client_id=rules.client_id, token_url=rules.token_url, client_auth=how,
        secret_file=secret_file(tmp_path, rules.secret), scope="fhir.write",
    )  # fmt: skip
    transport = transport_to(ServerSettings("hospital", rules.url, auth))
    assert transport.get("Basic/b1").status == 200
    assert ("client_secret" in rules.token_requests[0]) == (how == "post")
    transport.close()


def test_basic_and_bearer(rules: Rules, tmp_path: Path) -> None:
    file = secret_file(tmp_path, SECRET)
    userpass = base64.b64encode(f"ward:{SECRET}".encode()).decode()
    rules.accepts = {f"Bearer {SECRET}", f"Basic {userpass}"}
    for auth in (
        AuthSettings("basic", user="ward", secret_file=file),
        AuthSettings("bearer", secret_file=file),
    ):
        transport = transport_to(ServerSettings("hospital", rules.url, auth))
        assert transport.get("Basic/b1").status == 200
        transport.close()


def test_nobody_sends_nothing(rules: Rules) -> None:
    transport = transport_to(ServerSettings("hospital", rules.url))
    with pytest.raises(AuthenticationError):
        transport.get("Basic/b1")
    assert [header for _, header, _ in rules.fhir_requests] == [None]
    transport.close()


def test_a_token_file_that_was_written_anew_is_read_again(rules: Rules, tmp_path: Path) -> None:
    file = secret_file(tmp_path, "old")
    auth = AuthSettings("bearer", secret_file=file)
    transport = transport_to(ServerSettings("hospital", rules.url, auth))
    rules.accepts = {"Bearer new"}
    secret_file(tmp_path, "new")
    assert transport.get("Basic/b1").status == 200
    assert [header for _, header, _ in rules.fhir_requests] == ["Bearer old", "Bearer new"]
    transport.close()


# --- S17: a token that ends in mid-run ----------------------------------------------------------


def test_s17_one_renewal_for_all_workers_and_every_request_is_replayed(
    rules: Rules, tmp_path: Path
) -> None:
    settings, first = smart(rules, tmp_path)
    first.get("Basic/b1")
    access = access_to(settings, no_wait)
    workers = [Transport(rules.url, access=access) for _ in range(8)]
    for worker in workers:
        worker.get("Basic/b1")
    asked = len(rules.token_requests)
    rules.revoke()
    together = threading.Barrier(len(workers))

    def write(worker: Transport) -> int:
        together.wait(10)
        return worker.put("Basic/b1", {"resourceType": "Basic", "id": "b1"}).status

    rules.fhir_requests.clear()
    with ThreadPoolExecutor(len(workers)) as pool:
        assert list(pool.map(write, workers)) == [200] * len(workers)
    assert asked == 2  # one for each access, none for each worker
    assert len(rules.token_requests) == asked + 1
    bodies = [body for _, _, body in rules.fhir_requests]
    assert len(set(bodies)) == 1
    assert len(bodies) <= 2 * len(workers)
    for worker in [*workers, first]:
        worker.close()


def test_s17_a_second_401_stops_with_exit_5(rules: Rules, tmp_path: Path) -> None:
    _, transport = smart(rules, tmp_path)
    rules.lets_in = False
    with pytest.raises(AuthenticationError) as caught:
        transport.get("Basic/b1")
    assert outcome_of(caught.value).exit == EXIT.authentication
    assert (len(rules.fhir_requests), len(rules.token_requests)) == (2, 2)
    assert transport.requests == 2
    transport.close()


# --- S18: token endpoints on bad days -----------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        [(400, {"error": "invalid_client"})],
        [(500, {}), (503, {})],
        [(429, {})],
        [(200, {"token_type": "bearer"}), (200, {"access_token": "a\nb"})],
    ],
    ids=["400 once", "500 and 503", "429", "no token in it"],
)
def test_s18_a_flaky_token_endpoint_is_asked_again(
    rules: Rules, tmp_path: Path, script: list[tuple[int, dict[str, Any]]]
) -> None:
    _, transport = smart(rules, tmp_path)
    rules.script = list(script)
    assert transport.get("Basic/b1").status == 200
    assert len(rules.token_requests) == len(script) + 1
    assertions = [request["client_assertion"] for request in rules.token_requests]
    assert len(set(assertions)) == len(assertions)
    transport.close()


def test_s18_an_endpoint_that_stays_away_defers_the_run(rules: Rules, tmp_path: Path) -> None:
    _, transport = smart(rules, tmp_path)
    rules.script = [(500, {"error": "CANARY-SAID"})] * 3
    with pytest.raises(UnavailableError, match="HTTP 500") as caught:
        transport.get("Basic/b1")
    assert outcome_of(caught.value).exit == EXIT.deferred
    assert "CANARY" not in str(caught.value)
    assert rules.fhir_requests == []
    transport.close()


@pytest.mark.parametrize("stated", [None, "soon", -1, 0, 1, "300", 10**12])
def test_s18_any_expires_in(rules: Rules, tmp_path: Path, stated: object) -> None:
    _, transport = smart(rules, tmp_path)
    rules.expires_in = stated
    assert transport.get("Basic/b1").status == 200
    assert transport.get("Basic/b1").status == 200
    assert len(rules.token_requests) == (2 if stated == 0 else 1)
    transport.close()


@pytest.mark.parametrize(
    ("lifetime", "still", "renewed"), [(300, 269, 270), (1, 0.79, 0.8), (60, 47.9, 48)]
)
def test_s18_a_token_is_renewed_before_it_ends(
    lifetime: float, still: float, renewed: float
) -> None:
    now = [1000.0]
    names = iter(["first", "second"])
    tokens = Tokens(lambda: Grant(next(names), lifetime), clock=lambda: now[0])
    assert tokens.authorization() == "Bearer first"
    now[0] = 1000 + still
    assert tokens.authorization() == "Bearer first"
    now[0] = 1000 + renewed
    assert tokens.authorization() == "Bearer second"


@pytest.mark.parametrize(
    ("asked", "granted", "lacks"),
    [
        ("system/*.cruds", "system/*.rs", "system/*.cruds"),
        ("system/*.cruds", "system/Patient.cruds system/Observation.cruds", "system/*.cruds"),
        (
            "system/Patient.cu system/Basic.r",
            "system/Patient.c system/Basic.r",
            "system/Patient.cu",
        ),
        ("system/Patient.u", "system/Patient.u?_id=1", "system/Patient.u"),
        ("system/Patient.u", "user/Patient.u", "system/Patient.u"),
        ("system/Patient.u", "", "system/Patient.u"),
        ("fhir.write", "fhir.read", "fhir.write"),
    ],
)
def test_s18_a_narrower_scope_is_a_configuration_error_before_any_write(
    rules: Rules, tmp_path: Path, asked: str, granted: str, lacks: str
) -> None:
    _, transport = smart(rules, tmp_path, scope=asked)
    rules.granted = granted
    with pytest.raises(ConfigurationError, match="grants less") as caught:
        transport.get("metadata")
    assert caught.value.message.endswith(f"not granted: {lacks}")
    assert rules.fhir_requests == []
    transport.close()


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("system/*.cruds", "system/*.read system/*.write openid"),
        ("system/*.cruds", "system/*.*"),
        ("system/Patient.cu", "system/*.cud system/Basic.r"),
        ("system/*.read", "system/*.rs"),
        ("api://fhir/.default", "fhir.write"),
        ("fhir.write", "fhir.read fhir.write"),
    ],
)
def test_s18_a_scope_in_other_words_is_enough(
    rules: Rules, tmp_path: Path, asked: str, granted: str
) -> None:
    _, transport = smart(rules, tmp_path, scope=asked)
    rules.granted = granted
    assert transport.get("Basic/b1").status == 200
    transport.close()


def test_s18_nothing_granted_is_a_configuration_error(rules: Rules, tmp_path: Path) -> None:
    _, transport = smart(rules, tmp_path)
    rules.script = [(400, {"error": "invalid_scope"})]
    with pytest.raises(ConfigurationError, match="invalid_scope"):
        transport.get("metadata")
    assert len(rules.token_requests) == 1
    transport.close()


# --- S19: clocks ------------------------------------------------------------------------------


@pytest.mark.parametrize(("ahead", "which"), [(600, "behind"), (-600, "ahead of")])
def test_s19_a_clock_ten_minutes_off_is_named(
    rules: Rules, tmp_path: Path, ahead: float, which: str
) -> None:
    _, transport = smart(rules, tmp_path)
    rules.clock = ahead
    with pytest.raises(AuthenticationError) as caught:
        transport.get("Basic/b1")
    assert caught.value.hint
    assert caught.value.hint.startswith("clock: ours is")
    assert which in caught.value.hint
    transport.close()


def test_s19_clocks_that_agree_are_not_blamed(rules: Rules, tmp_path: Path) -> None:
    _, transport = smart(rules, tmp_path)
    rules.jwks = {"keys": []}
    with pytest.raises(AuthenticationError) as caught:
        transport.get("Basic/b1")
    assert "clock" not in (caught.value.hint or "")
    transport.close()


# --- where the token comes from -----------------------------------------------------------------


def test_a_stated_token_url_needs_no_discovery(rules: Rules, tmp_path: Path) -> None:
    _, transport = smart(rules, tmp_path, token_url=rules.token_url)
    rules.token_url, known = rules.token_url, rules.token_url
    rules.discovery = {"token_endpoint": "http://127.0.0.1:1/nowhere"}
    assert transport.get("Basic/b1").status == 200
    assert known == rules.token_url
    transport.close()


@pytest.mark.parametrize(
    ("discovery", "says"),
    [
        ({"token_endpoint": "http://token.test/token"}, "neither https nor on this machine"),
        ({"token_endpoint": 7}, "names no token endpoint"),
        ({"token_endpoint_auth_signing_alg_values_supported": ["RS384"]}, "by ES384"),
        ({"token_endpoint": "https://a@token.test/"}, "no base URL"),
    ],
)
def test_a_discovery_that_leads_astray_stops_before_anything_is_sent(
    rules: Rules, tmp_path: Path, discovery: dict[str, Any], says: str
) -> None:
    _, transport = smart(rules, tmp_path)
    rules.discovery = discovery
    with pytest.raises(ConfigurationError, match=says):
        transport.get("Basic/b1")
    assert rules.token_requests == rules.fhir_requests == []
    transport.close()


def test_a_server_elsewhere_cannot_send_us_to_our_own_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(url: str, *_: Any) -> Answer:
        asked.append(url)
        return Answer(200, {}, {"token_endpoint": "http://127.0.0.1:8500/v1/agent"})

    monkeypatch.setattr("adapter.fhir.auth._ask", ask)
    file = secret_file(tmp_path, pem(EC_KEY))
    auth = AuthSettings("smart", client_id="study", secret_file=file)
    identity = access_to(ServerSettings("hospital", "https://fhir.test/r4", auth), no_wait).identity
    with pytest.raises(ConfigurationError, match="our own machine"):
        identity.authorization()
    assert asked == ["https://fhir.test/r4"]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 404, 405])
def test_a_token_endpoint_elsewhere_is_not_followed(
    rules: Rules, tmp_path: Path, status: int
) -> None:
    _, transport = smart(rules, tmp_path)
    rules.script = [(status, {})]
    with pytest.raises(ConfigurationError, match="no token endpoint"):
        transport.get("Basic/b1")
    assert rules.fhir_requests == []
    transport.close()


def test_a_huge_answer_of_the_token_endpoint_is_cut(rules: Rules, tmp_path: Path) -> None:
    _, transport = smart(rules, tmp_path)
    rules.script = [(200, {"access_token": "x" * 200_000})] * 3
    with pytest.raises(UnavailableError, match="larger than 100,000 bytes"):
        transport.get("Basic/b1")
    transport.close()


@pytest.mark.parametrize("kind", ["basic", "bearer", "oauth2", "smart"])
def test_no_credentials_in_the_clear(tmp_path: Path, kind: str) -> None:
    file = secret_file(tmp_path, SECRET)
    auth = AuthSettings(kind, user="u", client_id="c", secret_file=file, token_url="https://t.test")
    with pytest.raises(ConfigurationError, match="in the clear"):
        access_to(ServerSettings("hospital", "http://fhir.hospital.test/fhir", auth))


# --- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["basic", "bearer", "oauth2", "smart"])
@pytest.mark.parametrize(
    ("mode", "text", "says"),
    [
        (0o640, SECRET, "other users"),
        (0o600, "", "empty"),
        (0o600, "two\nlines", "line|no private key"),
        (0o600, None, "cannot be read"),
    ],
    ids=["open to the group", "empty", "two lines", "missing"],
)
def test_a_secret_file_must_be_fit(
    tmp_path: Path, kind: str, mode: int, text: str | None, says: str
) -> None:
    file = tmp_path / "secret"
    if text is not None:
        secret_file(tmp_path, text).chmod(mode)
    auth = AuthSettings(kind, user="u", client_id="c", secret_file=file, token_url="https://t.test")
    with pytest.raises(ConfigurationError, match=says) as caught:
        access_to(ServerSettings("hospital", "https://fhir.test", auth))
    assert SECRET not in str(caught.value)
    assert caught.value.where
    assert caught.value.where.file == str(file)


@pytest.mark.parametrize(
    "text",
    [
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505
        jwk(ec.generate_private_key(ec.SECP256R1())),
        EC_KEY.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        ECAlgorithm.to_jwk(EC_KEY.public_key()),
        json.dumps({"keys": []}),
        '{"kty": "oct", "k": "AAAA"}',
        "{",
    ],
    ids=["P-256", "RSA 1024", "JWK P-256", "public", "public JWK", "none", "symmetric", "cut"],
)
def test_a_key_that_smart_has_no_use_for(tmp_path: Path, text: str) -> None:
    auth = AuthSettings("smart", client_id="c", secret_file=secret_file(tmp_path, text))
    with pytest.raises(ConfigurationError, match="no private key that SMART signs with"):
        access_to(ServerSettings("hospital", "https://fhir.test", auth))


def test_a_passphrase_is_never_asked_for(tmp_path: Path) -> None:
    encrypted = EC_KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    ).decode()
    auth = AuthSettings("smart", client_id="c", secret_file=secret_file(tmp_path, encrypted))
    with pytest.raises(ConfigurationError, match="passphrase"):
        access_to(ServerSettings("hospital", "https://fhir.test", auth))


def test_without_the_extra_the_message_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    auth = AuthSettings("smart", client_id="c", secret_file=secret_file(tmp_path, pem(EC_KEY)))
    with pytest.raises(ConfigurationError, match="extra 'auth'") as caught:
        access_to(ServerSettings("hospital", "https://fhir.test", auth))
    assert caught.value.hint
    assert "study-fhir-adapter[auth]" in caught.value.hint


def test_no_secret_in_logs_errors_or_reprs(
    rules: Rules, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    rules.secret = SECRET
    auth = AuthSettings(
        "oauth2", client_id=rules.client_id, token_url=rules.token_url,
        secret_file=secret_file(tmp_path, SECRET),
    )  # fmt: skip
    settings = ServerSettings("hospital", rules.url, auth)
    access = access_to(settings, no_wait)
    transport = Transport(rules.url, access=access)
    transport.get("Basic/b1")
    rules.lets_in = False
    errors: list[StudyFhirError] = []
    for wrong in (None, "another secret"):
        rules.secret = wrong or rules.secret
        with pytest.raises(AuthenticationError) as caught:
            transport.get("Basic/b1")
        errors.append(caught.value)
    seen = [caplog.text, *map(repr, (settings, access, access.identity, transport, *errors))]
    shown = " ".join([*seen, *map(str, errors), repr([e.__cause__ for e in errors])])
    assert "CANARY" not in shown
    assert SECRET not in shown
    key = client_key(replace(settings, auth=smart(rules, tmp_path)[0].auth))
    assert "PRIVATE" not in repr(key)
    transport.close()


def test_a_token_endpoint_has_a_deadline(rules: Rules, tmp_path: Path) -> None:
    began = time.monotonic()
    _, transport = smart(rules, tmp_path, token_url="http://127.0.0.1:9/token")
    with pytest.raises(UnavailableError, match="no access token"):
        transport.get("Basic/b1")
    assert time.monotonic() - began < 5
    transport.close()
