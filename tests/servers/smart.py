"""A FHIR server with a token endpoint on loopback, strict about who may in, wrong on demand."""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import jwt

Script = list[tuple[int, dict[str, Any]]]
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class Rules:
    """How the server behaves, and what it has seen."""

    client_id: str = "study"
    jwks: dict[str, Any] | None = None  # registered public keys: private_key_jwt
    secret: str | None = None
    accepts: set[str] = field(default_factory=set)  # Authorization headers let in beside tokens
    expires_in: Any = 300
    granted: str | None = None  # instead of what is asked for
    script: Script = field(default_factory=list)  # the token endpoint's first answers
    discovery: dict[str, Any] = field(default_factory=dict)  # beside the token endpoint
    clock: float = 0.0  # seconds that the server is ahead
    lets_in: bool = True
    url: str = ""
    token_url: str = ""
    tokens: set[str] = field(default_factory=set)
    token_requests: list[dict[str, str]] = field(default_factory=list)
    fhir_requests: list[tuple[str, str | None, bytes]] = field(default_factory=list)
    jtis: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def revoke(self) -> None:
        """Every token given so far is worth nothing."""
        self.tokens.clear()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one segment

    @property
    def rules(self) -> Rules:
        return self.server.rules  # type: ignore[attr-defined, no-any-return]

    def do_GET(self) -> None:
        if self.path.endswith("/.well-known/smart-configuration"):
            assert self.headers.get("Authorization") is None
            self._answer(200, {"token_endpoint": self.rules.token_url, **self.rules.discovery})
        else:
            self._fhir()

    def do_POST(self) -> None:
        self._token() if self.path == "/token" else self._fhir()

    do_PUT = do_DELETE = do_POST  # noqa: N815

    def _fhir(self) -> None:
        body = self._body()
        header = self.headers.get("Authorization")
        with self.rules.lock:
            self.rules.fhir_requests.append((self.command, header, body))
            known = {f"Bearer {token}" for token in self.rules.tokens} | self.rules.accepts
            inside = self.rules.lets_in and header in known
        if not inside:
            self._answer(401, {"resourceType": "OperationOutcome"})
        else:
            self._answer(200, {"resourceType": "Basic", "id": "b1"})

    def _token(self) -> None:
        form = {name: each[0] for name, each in parse_qs(self._body().decode()).items()}
        rules = self.rules
        with rules.lock:
            rules.token_requests.append(form)
            if rules.script:
                self._answer(*rules.script.pop(0))
                return
            if not self._is_client(form):
                self._answer(401, {"error": "invalid_client", "error_description": "CANARY-SAID"})
                return
            token = f"CANARY-TOKEN-{secrets.token_hex(8)}"
            rules.tokens.add(token)
        granted = rules.granted if rules.granted is not None else form.get("scope", "")
        answer = {"access_token": token, "token_type": "bearer", "scope": granted}
        if rules.expires_in is not None:
            answer["expires_in"] = rules.expires_in
        self._answer(200, answer)

    def _is_client(self, form: dict[str, str]) -> bool:
        if self.rules.secret is not None:
            given = form.get("client_id"), form.get("client_secret")
            header = self.headers.get("Authorization", "")
            if header.startswith("Basic "):
                name, _, word = base64.b64decode(header[6:]).decode().partition(":")
                given = unquote_plus(name), unquote_plus(word)
            return given == (self.rules.client_id, self.rules.secret)
        return form.get("client_assertion_type") == ASSERTION_TYPE and self._is_signed(form)

    def _is_signed(self, form: dict[str, str]) -> bool:
        """Everything that client-confidential-asymmetric wants of an assertion."""
        assertion = form["client_assertion"]
        header = jwt.get_unverified_header(assertion)
        keys = {key["kid"]: key for key in (self.rules.jwks or {})["keys"]}
        now = time.time() + self.rules.clock
        try:
            claims = jwt.decode(
                assertion,
                jwt.PyJWK(keys[header["kid"]]).key,
                algorithms=["RS384", "ES384"],
                audience=self.rules.token_url,
                issuer=self.rules.client_id,
                options={"require": ["iss", "sub", "aud", "exp", "jti"], "verify_exp": False},
            )
        except (jwt.PyJWTError, KeyError):
            return False
        fresh = now < claims["exp"] <= now + 300 and claims["jti"] not in self.rules.jtis
        self.rules.jtis.add(claims["jti"])
        named = header["typ"] == "JWT" and header["alg"] == keys[header["kid"]]["alg"]
        return bool(fresh and named and claims["sub"] == claims["iss"])

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response_only(status)
        self.send_header("Date", formatdate(time.time() + self.rules.clock, usegmt=True))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if 300 <= status < 400:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up during the handshake is what some tests want."""


@contextmanager
def smart_server(rules: Rules, tls: ssl.SSLContext | None = None) -> Iterator[Rules]:
    """Serve by these rules; they say ``url`` and ``token_url`` then."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.rules = rules  # type: ignore[attr-defined]
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    origin = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    rules.url, rules.token_url = f"{origin}/fhir", f"{origin}/token"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield rules
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
