"""Ids: the published vectors, what changes them, and how the key is kept."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import ConfigurationError
from adapter.privacy import fingerprint, id_function, study_key

KEY = bytes(range(32))
SYSTEM = "https://w3id.org/study-fhir-adapter/studies/test01/subject"
KEYS = st.lists(st.text(), min_size=1, max_size=4).map(tuple)


def test_an_id_is_what_the_formula_says() -> None:
    import base64
    import hashlib
    import hmac

    message = f'["v1","TEST01","Patient","{SYSTEM}",["01"]]'.encode()
    digest = base64.b32encode(hmac.new(KEY, message, hashlib.sha256).digest()).decode().lower()
    assert id_function(KEY, "TEST01")("Patient", SYSTEM, ("01",)) == "s" + digest[:31]


@given(KEYS)
def test_an_id_is_a_fhir_id_with_a_letter_and_the_same_each_time(key: tuple[str, ...]) -> None:
    first, second = (id_function(KEY, "S")("Patient", SYSTEM, key) for _ in range(2))
    assert first == second
    assert re.fullmatch(r"s[a-z2-7]{31}", first)


@given(KEYS, KEYS)
def test_different_keys_have_different_ids(one: tuple[str, ...], two: tuple[str, ...]) -> None:
    import unicodedata

    same = [unicodedata.normalize("NFC", p) for p in one] == [
        unicodedata.normalize("NFC", p) for p in two
    ]
    id_of = id_function(KEY, "S")
    assert (id_of("Patient", SYSTEM, one) == id_of("Patient", SYSTEM, two)) == same


def test_ids_of_other_studies_types_and_keys_are_unlinkable() -> None:
    ids = {
        id_function(KEY, "S1")("Patient", SYSTEM, ("1",)),
        id_function(KEY, "S2")("Patient", SYSTEM, ("1",)),
        id_function(KEY, "S1")("Specimen", SYSTEM, ("1",)),
        id_function(KEY, "S1")("Patient", SYSTEM + "2", ("1",)),
        id_function(bytes(32), "S1")("Patient", SYSTEM, ("1",)),
        id_function(KEY, "S1")("Patient", SYSTEM, ("1", "")),
        id_function(KEY, "S1")("Patient", SYSTEM, (" 1",)),
    }
    assert len(ids) == 7


def test_a_missing_key_is_made_once_with_mode_0600_and_announced(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / ".study-fhir" / "study.key"
    key = study_key(path, said.append)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "back it up" in said[0]
    assert key.hex() not in said[0]
    assert study_key(path, said.append) == key
    assert len(said) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "study.key"
    path.write_text(KEY.hex())
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="other users"):
        study_key(path)


@pytest.mark.parametrize("text", ["", "nothex", "00" * 16, "00" * 33])
def test_what_is_no_key_is_refused_and_not_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "study.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="not a study key"):
        study_key(path)
    assert path.read_text() == text


def test_a_fingerprint_is_not_the_key() -> None:
    assert fingerprint(KEY) not in KEY.hex()
    assert fingerprint(KEY) != fingerprint(bytes(32))
