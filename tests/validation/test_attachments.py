"""What attachments say about their content."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from adapter.validation.attachments import check_attachment

CONTENT = b"a report"
DATA = base64.b64encode(CONTENT).decode()
HASH = base64.b64encode(hashlib.sha1(CONTENT, usedforsecurity=False).digest()).decode()
PREFIX = "TYPE_SPECIFIC_CHECKS_DT_ATT_"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"data": DATA, "size": 8, "hash": HASH}, None),
        ({"data": DATA, "size": "8"}, None),
        ({"data": DATA, "size": 9}, "SIZE_CORRECT"),
        ({"data": DATA, "size": -1}, "SIZE_INVALID"),
        ({"data": DATA, "size": 8.5}, "SIZE_INVALID"),
        ({"data": DATA, "hash": "AAAA"}, "HASH_MISMATCH"),
        ({"data": DATA, "hash": "A A"}, "B64_DECODE_FAIL"),
        ({"data": DATA[:4] + " " + DATA[4:]}, "B64_DECODE_FAIL"),
        ({"data": "§", "size": 8}, None),  # its type is checked elsewhere
        ({"title": "x"}, "NO_CONTENT"),
        ({"contentType": "text/plain"}, None),
        ({"url": "http://a.b/c", "size": 8}, None),
        ({"url": "Binary/1", "size": 8}, "URL_NOT_A_LINK"),
        ({"url": "urn:x:y", "hash": HASH}, "URL_NOT_A_LINK"),
        ({"url": "Binary/1"}, None),
    ],
)
def test_attachments(value: dict[str, Any], name: str | None) -> None:
    found = check_attachment(value, "Patient.photo[0]")
    assert [one.messageId for one in found] == ([PREFIX + name] if name else [])
