"""BCP 47 tags, as HL7's validator reads them."""

from __future__ import annotations

import pytest

from adapter.validation.languages import is_language, matches


@pytest.mark.parametrize(
    "tag", ["en", "en-US", "zh-Hans-CN", "de-AT-1996", "yue", "qaa", "en-x-lab", "de-u-co-phonebk"]
)
def test_languages(tag: str) -> None:
    assert is_language(tag)


@pytest.mark.parametrize(
    "tag", ["EN", "en_US", "xx", "english", "e", "xx-YY", "x-private", "en-QQQ", "en-x", ""]
)
def test_not_languages(tag: str) -> None:
    assert not is_language(tag)


def test_a_language_serves_its_regions() -> None:
    assert matches("en-GB", "en")
    assert not matches("en", "en-GB")
    assert matches("fr", "*")
