"""Who we are towards a FHIR server: password, token, client secret, or a signed assertion.

A token is shared by all workers of a run, renewed before it ends, and renewed once when the server
refuses it. Secrets come from files of their owner alone, and stand in no message.
https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

import base64
import ipaddress
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote_plus, urlencode, urlsplit

from adapter.errors import (
    AuthenticationError,
    ConfigurationError,
    ProtocolError,
    UnavailableError,
    Where,
)
from adapter.fhir.access import Access, Identity, Nobody
from adapter.fhir.backoff import backoff
from adapter.fhir.client_keys import ClientKey, read_client_key
from adapter.fhir.scopes import missing
from adapter.fhir.transport import Answer, Transport, clock_hint
from adapter.settings import AuthSettings, ServerSettings, check_private, read_private
from adapter.urls import base_of

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DISCOVERY = ".well-known/smart-configuration"
SMART_SCOPE = "system/*.cruds"
TRIES = 3
FIRST_DELAY = 0.5  # seconds
MAX_ANSWER = 100_000  # bytes
DEADLINE = 30.0  # seconds
UNSTATED = 300.0  # seconds; SMART's own limit, where expires_in is absent
LONGEST = 86_400.0  # seconds
EARLY = 30.0  # seconds before its end that a token is renewed, a fifth of its life at most
# https://www.rfc-editor.org/rfc/rfc6749#section-5.2; any other word of a server stays unsaid
ERRORS = frozenset(
    "invalid_request invalid_client invalid_grant unauthorized_client unsupported_grant_type "
    "invalid_scope".split()
)

Sleep = Callable[[float], None]


class Fixed:
    """A header that is read from a file, and read again when the server refuses it."""

    def __init__(self, header: Callable[[], str]):
        self._read = header
        self._header = header()
        self._lock = threading.Lock()

    def authorization(self) -> str:
        """The header as the file had it."""
        return self._header

    def renewed(self, refused: str | None) -> str | None:
        """The header as the file has it now, if that is another one."""
        with self._lock:
            self._header = self._read()
            return self._header if self._header != refused else None


@dataclass(frozen=True, slots=True, repr=False)
class Grant:
    """An access token, with the seconds that it is good for."""

    token: str
    lifetime: float


class Tokens:
    """One access token for everybody; ``ask`` gets a new one, ``clock`` counts seconds."""

    def __init__(self, ask: Callable[[], Grant], clock: Callable[[], float] = time.monotonic):
        self._ask, self._clock = ask, clock
        self._lock = threading.Lock()
        self._header: str | None = None
        self._until = 0.0

    def authorization(self) -> str | None:
        """The token, renewed when its end is near."""
        with self._lock:
            if self._header is None or self._clock() >= self._until:
                self._renew()
            return self._header

    def renewed(self, refused: str | None) -> str | None:
        """Another token than the refused one: asked for once, however many were refused."""
        with self._lock:
            if self._header == refused:
                self._renew()
            return self._header

    def _renew(self) -> None:
        asked = self._clock()
        grant = self._ask()
        self._header = f"Bearer {grant.token}"
        self._until = asked + grant.lifetime - min(EARLY, grant.lifetime / 5)


class TokenEndpoint:
    """Asks for access tokens by client credentials (RFC 6749 section 4.4).

    ``find`` gives the endpoint's URL, ``credentials`` the parameters and headers that prove who we
    are, made anew for every try.
    """

    def __init__(
        self,
        find: Callable[[], str],
        credentials: Callable[[str], tuple[dict[str, str], dict[str, str]]],
        scope: str | None,
        access: Access,
        sleep: Sleep = time.sleep,
    ):
        self._find, self._credentials = find, credentials
        self._scope, self._access, self._sleep = scope, access, sleep
        self._url: str | None = None

    def __call__(self) -> Grant:
        """A new token; tried three times, since endpoints have bad moments.

        Raises AuthenticationError when it is refused, ConfigurationError when URL or scope are
        wrong, UnavailableError when the endpoint is away.
        """
        for number in range(1, TRIES + 1):
            try:
                return self._grant()
            except (AuthenticationError, UnavailableError):
                if number == TRIES:
                    raise
            self._sleep(backoff(number, FIRST_DELAY))
        raise AssertionError("unreachable")

    def _grant(self) -> Grant:
        self._url = self._url or self._find()
        parameters, headers = self._credentials(self._url)
        parameters = {"grant_type": "client_credentials", **parameters}
        if self._scope:
            parameters["scope"] = self._scope
        answer = _ask(self._url, self._access, "POST", "", urlencode(parameters).encode(), headers)
        if answer.status != 200:
            raise _refused(answer)
        return self._judged(answer)

    def _judged(self, answer: Answer) -> Grant:
        body = answer.body if isinstance(answer.body, dict) else {}
        token, kind = body.get("access_token"), str(body.get("token_type", "bearer"))
        if not isinstance(token, str) or not _is_printable(token) or kind.lower() != "bearer":
            raise UnavailableError("the token endpoint's answer holds no bearer token")
        granted = body.get("scope")
        lacking = missing(self._scope or "", granted) if isinstance(granted, str) else []
        if lacking:
            raise ConfigurationError(
                f"the server grants less than is asked for; not granted: {' '.join(lacking)}",
                hint="have this client registered for it, or ask for less: auth.scope",
            )
        return Grant(token, _lifetime(body.get("expires_in")))


def access_to(server: ServerSettings, sleep: Sleep = time.sleep) -> Access:
    """How a server is reached, by its settings.

    Raises ConfigurationError for files that are missing, unfit or open to other users, and for
    credentials that would travel in the clear.
    """
    base_of(server.url)  # before anybody remembers what may hold a password
    access = Access(ca_file=server.ca_file, certificate=server.certificate, proxy=server.proxy)
    _check_files(access)
    if server.auth.type != "none" and not is_private(server.url):
        raise ConfigurationError(
            f"the server {server.name!r} would get our credentials in the clear",
            hint="give its https URL, or leave auth out",
        )
    return replace(access, identity=_identity(server, access, sleep))


def client_key(server: ServerSettings) -> ClientKey:
    """The key by which a server knows us. Raises ConfigurationError when it has none."""
    if server.auth.type != "smart" or server.auth.secret_file is None:
        raise ConfigurationError(
            f"the server {server.name!r} has no key of ours",
            hint="auth: {type: smart, client-id: …, key-file: …} in study.yaml",
        )
    return read_client_key(server.auth.secret_file, server.auth.kid)


def is_private(url: str) -> bool:
    """Whether nobody on the way can read along: https, or this machine itself."""
    return urlsplit(url).scheme == "https" or is_loopback(url)


def is_loopback(url: str) -> bool:
    """Whether a URL is of this machine, by its name or literal address."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _identity(server: ServerSettings, access: Access, sleep: Sleep) -> Identity:
    auth, file = server.auth, server.auth.secret_file
    if file is None:
        return Nobody()
    if auth.type == "basic":
        return Fixed(lambda: _basic(auth.user, _secret(file)))
    if auth.type == "bearer":
        return Fixed(lambda: f"Bearer {_secret(file)}")
    if auth.type == "oauth2":
        _secret(file)  # what is wrong with it is said at once
        return Tokens(
            TokenEndpoint(
                lambda: _endpoint(auth.token_url or ""),
                lambda _: _client_secret(auth, _secret(file)),
                auth.scope,
                access,
                sleep,
            )
        )
    key = client_key(server)
    return Tokens(
        TokenEndpoint(
            lambda: _endpoint(auth.token_url) if auth.token_url else _found(server, access, key),
            lambda url: (
                {
                    "client_assertion_type": ASSERTION,
                    "client_assertion": key.assertion(auth.client_id, url),
                },
                {},
            ),
            auth.scope or SMART_SCOPE,
            access,
            sleep,
        )
    )


def _secret(file: Path) -> str:
    """A secret that can stand in a header. Raises ConfigurationError."""
    secret = read_private(file)
    if not _is_printable(secret):
        raise ConfigurationError(
            "the secret file holds more than one line, or characters that no header can carry",
            where=Where(file=str(file)),
        )
    return secret


def _is_printable(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()


def _basic(user: str, password: str) -> str:
    # https://www.rfc-editor.org/rfc/rfc7617
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _client_secret(auth: AuthSettings, secret: str) -> tuple[dict[str, str], dict[str, str]]:
    # https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    if auth.client_auth == "post":
        return {"client_id": auth.client_id, "client_secret": secret}, {}
    header = _basic(quote_plus(auth.client_id), quote_plus(secret))
    return {}, {"Authorization": header}


def _endpoint(url: str) -> str:
    if not is_private(url):
        raise ConfigurationError(
            "the token endpoint is neither https nor on this machine",
            hint="auth.token-url: give its https URL",
        )
    return url


def _found(server: ServerSettings, access: Access, key: ClientKey) -> str:
    """The token endpoint that a server names. Raises ConfigurationError, UnavailableError."""
    answer = _ask(server.url, access, "GET", DISCOVERY, None, {})
    if answer.status >= 500 or answer.status in (408, 425, 429):
        raise UnavailableError(f"the server does not name its token endpoint: HTTP {answer.status}")
    body = answer.body if answer.status == 200 and isinstance(answer.body, dict) else {}
    url = body.get("token_endpoint")
    if not isinstance(url, str):
        raise ConfigurationError(
            f"the server names no token endpoint in {DISCOVERY}: HTTP {answer.status}",
            hint="give auth.token-url",
        )
    if is_loopback(url) and not is_loopback(server.url):
        raise ConfigurationError(
            "the token endpoint that the server names is on our own machine",
            hint="give auth.token-url",
        )
    algorithms = body.get("token_endpoint_auth_signing_alg_values_supported")
    if isinstance(algorithms, list) and algorithms and key.algorithm not in algorithms:
        raise ConfigurationError(
            f"the server does not take signatures by {key.algorithm}",
            hint="RS384 goes with an RSA key, ES384 with one on P-384",
        )
    return _endpoint(url)


def _ask(
    url: str, access: Access, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> Answer:
    """One request without our identity. Raises UnavailableError: nothing was written by it."""
    if body is not None:
        headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    transport = Transport(
        url, access=replace(access, identity=Nobody()), deadline=DEADLINE, timeout=DEADLINE,
        max_bytes=MAX_ANSWER,
    )  # fmt: skip
    try:
        return transport.exchange(method, path, body, {"Accept": "application/json", **headers})
    except (UnavailableError, ProtocolError) as error:
        raise UnavailableError(f"no access token: {error.message}", hint=error.hint) from None
    finally:
        transport.close()


def _refused(answer: Answer) -> AuthenticationError | ConfigurationError | UnavailableError:
    body = answer.body if isinstance(answer.body, dict) else {}
    word = body.get("error")
    said = f"HTTP {answer.status} {word if word in ERRORS else ''}".rstrip()
    if answer.status >= 500 or answer.status in (408, 425, 429):
        return UnavailableError(f"the token endpoint is busy: {said}")
    if word == "invalid_scope":
        return ConfigurationError(
            f"the server grants nothing of the scope that is asked for: {said}",
            hint="auth.scope: ask for what this client is registered for",
        )
    if answer.status in (400, 401, 403):
        return AuthenticationError(
            f"the server gives us no access token: {said}",
            hint=clock_hint(answer)
            or "client-id, secret or key as registered? the key's kid? (doctor --jwks shows it)",
        )
    return ConfigurationError(
        f"this is no token endpoint: {said}",
        hint="auth.token-url: the real one; redirects are not followed",
    )


def _lifetime(stated: object) -> float:
    try:
        seconds = float(str(stated))
    except ValueError:
        return UNSTATED
    return min(seconds, LONGEST) if seconds >= 0 else UNSTATED


def _check_files(access: Access) -> None:
    """Raise ConfigurationError for certificates that cannot be used; never ask a passphrase."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if access.ca_file:
        try:
            context.load_verify_locations(access.ca_file)
        except OSError:
            raise _unfit("certificate authorities (PEM)", access.ca_file) from None
    if access.certificate:
        certificate, key = access.certificate
        try:
            context.load_cert_chain(certificate, key, password=lambda: "")
        except (OSError, ValueError):
            raise _unfit("client certificate with its private key (PEM)", certificate) from None
        check_private(key)


def _unfit(what: str, file: Path) -> ConfigurationError:
    return ConfigurationError(
        f"the file cannot be used as {what}",
        where=Where(file=str(file)),
        hint="is it there, in PEM, the key without passphrase and of this certificate?",
    )
