"""YAML without surprises: the traps people fall into, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.errors import ConfigurationError
from adapter.yaml_file import YamlFile


def parse(tmp_path: Path, text: str) -> YamlFile:
    file = tmp_path / "study.yaml"
    file.write_text(text, encoding="utf-8")
    return YamlFile(file, "study.yaml")


def test_words_and_dates_stay_text(tmp_path: Path) -> None:
    data = parse(tmp_path, "a: NO\nb: 2024-01-02\nc: on\nd: 1e3\ne: 010\n").data
    assert data == {"a": "NO", "b": "2024-01-02", "c": "on", "d": "1e3", "e": "010"}


def test_numbers_and_truth_are_what_they_look_like(tmp_path: Path) -> None:
    assert parse(tmp_path, "a: 3\nb: 0.5\nc: true\nd: null\n").data == {
        "a": 3, "b": 0.5, "c": True, "d": None,
    }  # fmt: skip


def test_keys_are_text(tmp_path: Path) -> None:
    assert parse(tmp_path, "codes: {1: male, true: x}\n").data == {
        "codes": {"1": "male", "true": "x"}
    }


def test_a_key_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="stands twice") as caught:
        parse(tmp_path, "fields:\n  sex: {to: sex}\n  sex: {to: arm}\n")
    assert caught.value.where is not None
    assert caught.value.where.line == 3


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not valid YAML") as caught:
        parse(tmp_path, "a: 1\nb: [1, 2\nc: 3\n")
    assert caught.value.where is not None
    assert caught.value.where.line == 3


def test_a_missing_file_says_what_a_study_folder_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"study\.yaml"):
        YamlFile(tmp_path / "study.yaml", "study.yaml")


def test_where_finds_the_nearest_line(tmp_path: Path) -> None:
    file = parse(tmp_path, "a:\n  b:\n    - x\n    - y\n")
    assert file.where("a", "b", 1).line == 4
    assert file.where("a", "b", 7).line == 2
