"""The documentation says what the code does: commands, options, exit codes, errors, keys, ids."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import tomllib
import typing
from itertools import chain
from pathlib import Path
from typing import Any

import click
import expected_warnings
import profile_examples
import pytest
import study_elements
import tables

from adapter.cli import COMMANDS, cli
from adapter.errors import EXIT, TABLE
from adapter.locate import schema
from adapter.privacy import fingerprint, id_function
from adapter.service import mapping
from adapter.study import Study
from adapter.validation import Validator
from mappings import entities

ROOT = Path(__file__).resolve().parents[2]
RELEASES = ("R4", "R4B", "R5")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The cells of every table line."""
    lines = (line for line in text.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


# --- generated tables --------------------------------------------------------------------------


@pytest.mark.parametrize("name", tables.TABLES)
def test_table_is_up_to_date(name: str) -> None:
    page, table = tables.TABLES[name]
    text = read(f"docs/{page}")
    assert f"<!-- begin {name}:" in text
    assert text == tables.with_table(text, name, table()), "run make docs"


def test_examples_are_up_to_date() -> None:
    assert study_elements.stale_examples() == [], "run make docs"


@pytest.mark.parametrize("release", profile_examples.RELEASES)
def test_examples_of_profiles_are_up_to_date(release: str) -> None:
    assert profile_examples.stale(release) == [], "run make docs"


def test_every_warning_of_the_reference_study_is_explained() -> None:
    rows = expected_warnings.expected()
    warned = {each for release in RELEASES for each in expected_warnings.warnings(release)}
    explains = expected_warnings.explains
    assert [each for each in sorted(warned) if not any(explains(row, each) for row in rows)] == []
    assert [row for row in rows if not any(explains(row, each) for each in warned)] == []


def test_examples_are_valid() -> None:
    validator = Validator(study_elements.RELEASE)
    for example in study_elements.examples():
        errors = [i for i in validator.validate(example.text) if i.severity in ("error", "fatal")]
        assert errors == [], example.file


def test_every_field_of_every_entity_is_in_the_mapping_tables() -> None:
    page = read("docs/mapping-tables.md")
    for kind in typing.get_args(entities.SubjectEntity):
        section = page.partition(f"### {kind.__name__}\n")[2].partition("\n### ")[0]
        for field in dataclasses.fields(kind):
            if field.name != "disposition":
                assert re.search(rf"^\| `{field.name}[`.]", section, re.MULTILINE), field.name


# --- commands and options ----------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_documented(name: str) -> None:
    assert f"`study-fhir {name}" in read("docs/operations.md")


def documented_calls() -> list[Any]:
    """(page, command, options) of every `study-fhir ...` in the documentation."""
    calls = []
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            for call in re.findall(r"study-fhir ([a-z][^`#&]*)", line):
                command, *rest = call.split()
                options = [word.strip("[]") for word in rest if word.strip("[]").startswith("--")]
                calls.append(pytest.param(command, options, id=f"{page.name}: {call.strip()}"))
    return calls


@pytest.mark.parametrize(("name", "options"), documented_calls())
def test_documented_call_exists(name: str, options: list[str]) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    parts = command.commands.values() if isinstance(command, click.Group) else [command]
    known = {option for part in parts for each in part.params for option in each.opts}
    assert set(options) <= known | {"--help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    line = next(line for line in read("docs/operations.md").splitlines() if f"fhir {name}" in line)
    parts = command.commands.values() if isinstance(command, click.Group) else [command]
    for parameter in (each for part in parts for each in part.params):
        if isinstance(parameter, click.Option) and name != "registry":
            assert parameter.opts[0] in line


def test_make_targets_exist() -> None:
    for page in PAGES:
        for target in re.findall(r"`?make ([a-z]+)`", page.read_text(encoding="utf-8")):
            assert f"\n{target}:" in read("Makefile")


def test_readme_names_every_package() -> None:
    readme = read("README.md")
    for folder in sorted((ROOT / "adapter").iterdir()):
        if (folder / "__init__.py").exists():
            assert f"`adapter/{folder.name}`" in readme


# --- exit codes and errors ---------------------------------------------------------------------


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_exit_codes_are_documented(page: str) -> None:
    documented = {code for cells in rows(read(page)) for code in re.findall(r"^[\d, ]+$", cells[0])}
    codes = {int(code) for text in documented for code in text.split(",")}
    assert codes == set(EXIT)


def test_exit_codes_of_the_table_are_documented_ones() -> None:
    assert {seen.exit for seen in TABLE.values()} <= set(EXIT)


# --- study.yaml --------------------------------------------------------------------------------


def schema_keys(node: Any) -> set[str]:
    """Every key that study.yaml can have, at any depth."""
    if isinstance(node, dict):
        own = set(node["properties"]) if isinstance(node.get("properties"), dict) else set()
        return own.union(*(schema_keys(value) for value in node.values()))
    return set()


KEYS = sorted(schema_keys(json.loads(schema("study").read_text(encoding="utf-8"))))


@pytest.mark.parametrize("key", KEYS)
def test_key_of_study_yaml_is_documented(key: str) -> None:
    assert re.search(rf"[`{{ ]{key}[`:,}}]", read("docs/study-yaml.md"))


def test_study_yaml_of_the_readme_works(tmp_path: Path) -> None:
    text = re.search(r"```yaml\n(.*?)```", read("README.md"), re.DOTALL)
    assert text
    (tmp_path / "study.yaml").write_text(text[1], encoding="utf-8")
    (tmp_path / "people.csv").write_text(
        "id,name,arm,sex,born,enrolled\n01,X,1,2,2015-03-02,2024-01-10\n", encoding="utf-8"
    )
    (tmp_path / "laboratory.csv").write_text(
        "order,id,test,result,unit,taken\na1,01,CRP,12.5,mg/L,2024-01-10 08:30\n", encoding="utf-8"
    )
    assert mapping.check(Study(tmp_path)) == {"sources": 2, "columns": 12, "recipes": 2}


# --- ids ---------------------------------------------------------------------------------------


def test_id_vectors() -> None:
    text = read("docs/ids.md")
    key = bytes(range(32))
    base = re.search(r"systems begin with\n`([^`]+)`", text)
    assert base
    assert f"`{key.hex()}`, fingerprint `{fingerprint(key)}`" in text
    vectors = [cells for cells in rows(text) if cells[0].startswith("NCT")]
    assert len(vectors) >= 8
    for study, resource_type, ending, parts, id_ in vectors:
        id_of = id_function(key, study)
        key_parts = tuple(json.loads(parts.strip("`")))
        assert id_of(resource_type, base[1] + ending, key_parts) == id_.strip("`")


# --- dependencies and links --------------------------------------------------------------------


def test_dependencies_are_explained() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    required = {*project["dependencies"], *chain(*project["optional-dependencies"].values())}
    explained = {
        cells[0].strip("`"): cells
        for cells in rows(read("docs/dependencies.md"))
        if "=" in cells[0]
    }
    assert set(explained) == required
    assert all(all(cells) and len(cells) == 3 for cells in explained.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("table", re.findall(r"`([a-z-]+\.csv)`", read("docs/study-yaml.md")))
def test_code_tables_of_the_documentation_exist(table: str) -> None:
    with (ROOT / "mappings" / "codes" / table).open(encoding="utf-8", newline="") as lines:
        assert "term" in next(csv.reader(lines))
