"""Logical ids: keyed, stable, unguessable and unlinkable between studies.

``s`` + the first 31 characters of lower-case base32 of HMAC-SHA256(study key, UTF-8 of the JSON
array ``["v1", study, resourceType, system, [key parts as text]]``), NFC, nothing trimmed. The
leading letter is what servers ask for that refuse numeric ids; test vectors are in docs/ids.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import stat
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import orjson

from adapter.errors import ConfigurationError, Where

KEY_BYTES = 32


def id_function(key: bytes, study: str) -> Callable[[str, str, tuple[str, ...]], str]:
    """The function ``(resource type, identifier system, key) -> id`` of a study."""

    keyed = hmac.new(key, digestmod=hashlib.sha256)

    @lru_cache(maxsize=200_000)
    def id_of(resource_type: str, system: str, parts: tuple[str, ...]) -> str:
        text = orjson.dumps(["v1", study, resource_type, system, parts]).decode()
        message = keyed.copy()
        message.update(unicodedata.normalize("NFC", text).encode())
        return "s" + base64.b32encode(message.digest()[:20]).decode().lower()[:31]

    return id_of


def fingerprint(key: bytes) -> str:
    """What may be stored to recognise a key: 16 hex digits that do not give it away."""
    return hmac.new(key, b"study-fhir-adapter key fingerprint v1", hashlib.sha256).hexdigest()[:16]


def study_key(path: Path, announce: Callable[[str], None] = lambda _: None) -> bytes:
    """The study key of a file with mode 0600; a missing one is made and announced.

    Raises ConfigurationError when the file is readable by others or is not a key.
    """
    if not path.exists():
        return _new_key(path, announce)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigurationError(
            "the study key can be read by other users",
            where=Where(file=str(path)),
            hint=f"chmod 600 {path.name}; whoever has the key can link ids to record numbers",
        )
    text = path.read_text(encoding="ascii", errors="replace").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            f"this is not a study key ({KEY_BYTES} bytes as {2 * KEY_BYTES} hex digits)",
            where=Where(file=str(path)),
            hint="restore it from the backup; a new key would give every resource a new id",
        )
    return key


def _new_key(path: Path, announce: Callable[[str], None]) -> bytes:
    key = secrets.token_bytes(KEY_BYTES)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key.hex() + "\n")
    announce(f"made a new study key: {path} (back it up: without it every id would change)")
    return key
