"""`adapter` and `mappings` are common names: what is imported must be ours."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

import adapter
import mappings
from adapter import locate

OURS = "study-fhir-adapter"
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("package", ["adapter", "mappings"])
def test_no_other_distribution_has_our_packages(package: str) -> None:
    owners = importlib.metadata.packages_distributions().get(package, [])
    assert set(owners) <= {OURS}


@pytest.mark.parametrize("package", [adapter, mappings])
def test_the_checkout_is_what_is_tested(package: object) -> None:
    assert Path(package.__file__).parents[1] == ROOT  # type: ignore[attr-defined]
    assert (Path(package.__file__).parent / "py.typed").exists()  # type: ignore[attr-defined]


def test_version_is_that_of_the_distribution() -> None:
    try:
        installed = importlib.metadata.version(OURS)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("not installed: run by make test")
    assert installed == adapter.__version__


@pytest.mark.parametrize("name", ["examples", "profiles"])
def test_shipped_data_is_found_in_a_checkout(name: str) -> None:
    assert locate.shipped(name) == ROOT / name


def test_shipped_data_is_found_in_an_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site-packages" / "adapter"
    (installed / "_profiles").mkdir(parents=True)
    monkeypatch.setattr(locate, "_PACKAGE", installed)
    assert locate.shipped("profiles") == installed / "_profiles"
    with pytest.raises(FileNotFoundError, match="examples"):
        locate.shipped("examples")


@pytest.mark.parametrize("name", ["study"])
def test_schemas_are_found(name: str) -> None:
    assert locate.schema(name).is_file()
