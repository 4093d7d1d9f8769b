"""Definitions onto a server: those it lacks are written, those it holds are left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from adapter.cli import cli
from adapter.demo.server import EmbeddedServer
from adapter.errors import UsageError
from adapter.fhir.transport import Transport
from adapter.profiles import push
from adapter.profiles.definitions import published
from adapter.profiles.push import ordered


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as running:
        yield running


def silent(stage: str, done: int, total: int) -> None:
    pass


def test_a_second_push_writes_nothing(server: EmbeddedServer) -> None:
    transport = Transport(server.url)
    first = push(transport, "R4", silent)
    assert first.counts["created"] > 200
    held = transport.get("StructureDefinition/study-fhir-specimen").body
    assert held["url"].endswith("/StructureDefinition/specimen")
    again = push(transport, "R4", silent)
    assert set(again.counts) == {"unchanged", *first.counts} - {"created"}
    assert again.counts["unchanged"] == first.counts["created"]


def test_a_profile_comes_after_what_it_is_based_on() -> None:
    names = [f"{each['resourceType']}/{each['id']}" for each in ordered(published("R4"))]
    at = names.index
    assert at("CodeSystem/measurement") < at("ValueSet/measurement")
    assert at("ValueSet/measurement") < at("StructureDefinition/observation")
    assert at("StructureDefinition/observation") < at("StructureDefinition/blood-gas")


def test_the_command_builds_packages(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["profiles", "build", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0
    ends = [file.name.rpartition("-")[2] for file in sorted((tmp_path / "out").iterdir())]
    assert ends == ["r4.tgz", "r4b.tgz", "r5.tgz"]


def test_a_name_without_a_study_is_no_server() -> None:
    result = CliRunner().invoke(cli, ["profiles", "push", "--server", "hospital"])
    assert isinstance(result.exception, UsageError)
