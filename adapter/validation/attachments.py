"""What an Attachment says about its content, against the content.

https://hl7.org/fhir/R4/datatypes.html#attachment
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from adapter.validation.issues import Issue

_BASE64 = re.compile(r"[0-9A-Za-z+/]+={0,2}")
_NO_LOCATION = ("urn", "cid", "mailto", "tel")
_LONG = re.compile(r"[0-9]{1,19}")


def check_attachment(value: dict[str, Any], path: str) -> list[Issue]:
    """Issues of an Attachment: size and SHA-1 hash that do not fit its data, no content at all."""
    issues = []
    size = value.get("size")
    if size is not None and not _is_size(size):
        text = f"'{size}' is no size"
        issues.append(_error("TYPE_SPECIFIC_CHECKS_DT_ATT_SIZE_INVALID", path, text))
        size = None
    stated = _decoded(value.get("hash"), "hash", path, issues)
    if not {"data", "url", "contentType", "language"} & value.keys():
        text = "an Attachment without data and url should have a contentType or a language"
        name = "TYPE_SPECIFIC_CHECKS_DT_ATT_NO_CONTENT"
        issues.append(Issue("warning", "structure", path, text, name))
    encoded = value.get("data")
    if not isinstance(encoded, str) or not is_base64(encoded):
        return issues + _not_a_link(value, path, size, stated)
    data = _decoded(encoded, "data", path, issues)
    if data is None:
        return issues
    if size is not None and len(data) != int(size):
        text = f"the size is given as {size}, but the data have {len(data)} bytes"
        issues.append(_error("TYPE_SPECIFIC_CHECKS_DT_ATT_SIZE_CORRECT", path, text))
    if stated is not None and hashlib.sha1(data, usedforsecurity=False).digest() != stated:
        text = "the hash is not the SHA-1 of the data"
        issues.append(_error("TYPE_SPECIFIC_CHECKS_DT_ATT_HASH_MISMATCH", path, text))
    return issues


def _not_a_link(
    value: dict[str, Any], path: str, size: object, stated: bytes | None
) -> list[Issue]:
    """Size and hash of what is elsewhere are not checked: says so where nobody could."""
    url = value.get("url")
    if "data" in value or not isinstance(url, str) or (size is None and stated is None):
        return []
    scheme, colon, _ = url.partition(":")
    if colon and scheme.lower() not in _NO_LOCATION:
        return []
    text = f"the content was not checked: {url} cannot be fetched"
    name = "TYPE_SPECIFIC_CHECKS_DT_ATT_URL_NOT_A_LINK"
    return [Issue("information", "informational", path, text, name)]


def _is_size(value: object) -> bool:
    return not isinstance(value, bool) and _LONG.fullmatch(str(value)) is not None


def is_base64(value: str) -> bool:
    """Whether a value is Base64, white space within it aside."""
    compact = "".join(value.split())
    return len(compact) % 4 == 0 and _BASE64.fullmatch(compact) is not None


def _decoded(value: object, name: str, path: str, issues: list[Issue]) -> bytes | None:
    """The bytes of a Base64 value; its padding may be missing, but white space may not stand in."""
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        text = f"Attachment.{name} is not valid Base64"
        issues.append(_error("TYPE_SPECIFIC_CHECKS_DT_ATT_B64_DECODE_FAIL", path, text))
        return None


def _error(name: str, path: str, text: str) -> Issue:
    return Issue("error", "structure", path, text, name)
