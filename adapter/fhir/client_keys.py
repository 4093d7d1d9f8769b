"""The private key of a SMART client: read from a file, used to sign, published as a JWKS.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapter.errors import ConfigurationError, Where
from adapter.settings import read_private

LIFETIME = 240  # seconds; five minutes at most, less what clocks differ
RSA_BITS = 2048
THUMBPRINT = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}  # RFC 7638, in this order
HOW_TO_MAKE = "make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out FILE"


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A private key with its algorithm (``RS384`` or ``ES384``) and public JWK."""

    private: Any = field(repr=False)
    algorithm: str
    public: dict[str, Any]

    def assertion(self, client_id: str, audience: str) -> str:
        """A signed proof of who we are, good once and for four minutes.

        https://www.rfc-editor.org/rfc/rfc7523#section-3
        """
        import jwt

        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "exp": int(time.time()) + LIFETIME,
            "jti": secrets.token_urlsafe(24),
        }
        headers = {"kid": self.public["kid"], "typ": "JWT"}
        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers=headers)

    def jwks(self) -> dict[str, Any]:
        """The public half, as a server's people register it."""
        return {"keys": [self.public]}


def read_client_key(file: Path, kid: str | None = None) -> ClientKey:
    """Read a private key: PEM, a JWK, or a JWKS with one key; ``kid`` as registered.

    Without a ``kid`` it is the JWK's own, else the key's thumbprint (RFC 7638). Raises
    ConfigurationError for a file that others can read, and for keys that SMART has no algorithm of.
    """
    _installed()
    text, where = read_private(file), Where(file=str(file))
    private, stated = (
        _from_jwk(text, where) if text.startswith("{") else (_from_pem(text, where), "")
    )
    return _client_key(private, kid or stated, where)


def _installed() -> None:
    try:
        import cryptography  # noqa: F401
        import jwt  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"SMART Backend Services need the extra 'auth' ({error.name} is not installed)",
            hint="pip install 'study-fhir-adapter[auth]'",
        ) from None


def _from_pem(text: str, where: Where) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise ConfigurationError(
            "the private key has a passphrase", where=where,
            hint="keep it without one, mode 0600: openssl pkey -in FILE -out NEW",
        ) from None  # fmt: skip
    except (ValueError, UnsupportedAlgorithm):
        raise _no_key(where) from None


def _from_jwk(text: str, where: Where) -> tuple[Any, str]:
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    try:
        found = json.loads(text)
        if "keys" in found:
            [found] = found["keys"]
        key = PyJWK.from_dict({**found, "alg": _stated_algorithm(found)}).key
        return key, str(found.get("kid", ""))
    except (ValueError, TypeError, KeyError, PyJWTError):
        raise _no_key(where) from None


def _stated_algorithm(jwk: dict[str, Any]) -> str:
    return {"RSA": "RS384", "EC": "ES384"}[jwk["kty"]]


def _client_key(private: Any, kid: str, where: Where) -> ClientKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    if isinstance(private, RSAPrivateKey) and private.key_size >= RSA_BITS:
        algorithm = "RS384"
        jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    elif isinstance(private, EllipticCurvePrivateKey) and private.curve.name == "secp384r1":
        algorithm = "ES384"
        jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        raise _no_key(where)
    public = {name: value for name, value in jwk.items() if name != "key_ops"}
    public |= {"alg": algorithm, "use": "sig", "key_ops": ["verify"]}
    return ClientKey(private, algorithm, public | {"kid": kid or _thumbprint(public)})


def _thumbprint(jwk: dict[str, Any]) -> str:
    members = {name: jwk[name] for name in THUMBPRINT[jwk["kty"]]}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _no_key(where: Where) -> ConfigurationError:
    return ConfigurationError(
        "this is no private key that SMART signs with: RSA of 2048 bits or more, or EC P-384",
        where=where,
        hint=HOW_TO_MAKE,
    )
