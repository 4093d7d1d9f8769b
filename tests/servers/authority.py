"""A certificate authority of our own, and the certificates that it signs, good and bad."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


class Authority:
    """Makes PEM files in a folder; ``ca`` is the file to trust."""

    def __init__(self, folder: Path, name: str = "Hospital CA"):
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._certificate = self._sign(self._name, self._key, {}, is_authority=True)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        file: str,
        address: str = "127.0.0.1",
        *,
        expired: bool = False,
        self_signed: bool = False,
    ) -> tuple[Path, Path]:
        """A certificate for an address, with its key (0600): the two files."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = {"address": address, "expired": expired}
        signed = self._sign(_name(file), key, names, signer=key if self_signed else None)
        certificate, private = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        private.chmod(0o600)
        return certificate, private

    def encrypted(self, private: Path) -> Path:
        """The same key behind a passphrase."""
        key = serialization.load_pem_private_key(private.read_bytes(), password=None)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"word"),
            )
        )
        return private

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: dict[str, object],
        *,
        is_authority: bool = False,
        signer: ec.EllipticCurvePrivateKey | None = None,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if signer else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 10 * DAY)
            .not_valid_after(now - DAY if names.get("expired") else now + 10 * DAY)
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    (signer or self._key).public_key()
                ),
                critical=False,
            )
            .add_extension(
                x509.KeyUsage(
                    not is_authority, False, False, False, False, is_authority, is_authority,
                    False, False,
                ),
                critical=True,
            )
        )  # fmt: skip
        if "address" in names:
            address = x509.IPAddress(ipaddress.ip_address(str(names["address"])))
            built = built.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        return built.sign(signer or self._key, hashes.SHA256())


def serving(certificate: tuple[Path, Path], *, asks_of: Path | None = None) -> ssl.SSLContext:
    """The context of a server; ``asks_of`` is the authority of certificates it asks callers for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if asks_of:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(asks_of)
    return context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
