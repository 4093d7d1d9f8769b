"""study.yaml: what is refused, where, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.errors import ConfigurationError, UsageError
from adapter.settings import RELEASES, load_study


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("time-zone: Asia/Shanghai", "time-zone: Asia/Chongqing2", 2, "no time zone"),
        ("study: TEST01", "studdy: TEST01", None, "studdy"),
        ("format: csv, file: lab.csv", "format: sas, file: lab.csv", 10, "'sas' is not one of"),
        ("key: [id]", "key: []", 15, "non-empty"),
        ("{to: birth_year}", "{}", 20, "is not valid"),
        ("identifier-base: https://w3id.org", "identifier-base: w3id.org", 3, "does not match"),
    ],
)
def test_a_mistake_has_a_line_and_a_reason(
    folder: Path, old: str, new: str, line: int | None, says: str
) -> None:
    file = folder / "study.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=says) as caught:
        load_study(folder)
    assert caught.value.where is not None
    assert line is None or caught.value.where.line == line
    assert caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "line", "hint"),
    [
        ("study: TEST01", "study: TEST01\nrejcts: {accept: 1}", 2, "did you mean 'rejects'?"),
        ("format: csv, file: lab.csv", "format: cvs, file: lab.csv", 10, "did you mean 'csv'?"),
        ("file: lab.csv", "fil: x, file: lab.csv", 10, "did you mean 'file'?"),
    ],
)
def test_a_slip_of_the_pen_is_told_what_it_may_mean(
    folder: Path, old: str, new: str, line: int, hint: str
) -> None:
    file = folder / "study.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_study(folder)
    assert caught.value.where is not None
    assert (caught.value.where.line, caught.value.hint) == (line, hint)


def test_a_missing_folder_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such study folder"):
        load_study(tmp_path / "nowhere")


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_is_mapped(folder: Path, release: str) -> None:
    assert load_study(folder, release).fhir == release


def test_an_unknown_release_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="R6 is not mapped"):
        load_study(folder, "R6")


def with_flavours(folder: Path, *flavours: str) -> Path:
    file = folder / "study.yaml"
    line = f"flavours: [{', '.join(flavours)}]\n"
    file.write_text(file.read_text(encoding="utf-8") + line, encoding="utf-8")
    return folder


def test_flavours_are_chosen_in_study_yaml(folder: Path) -> None:
    assert load_study(folder).flavours == frozenset()
    chosen = load_study(with_flavours(folder, "mii-studie", "miabis"), "R4B")
    assert chosen.flavours == {"mii-studie", "miabis"}


@pytest.mark.parametrize(
    ("flavours", "release", "says"),
    [
        (("mii-studie",), "R5", "mii-studie cannot be had in R5, only in R4, R4B: .*R4 guide"),
        (("ae-backport",), "R5", "only in R4, R4B: .*R5 has the elements themselves"),
        (("genomics-reporting",), "R4B", "only in R4: .*published for R4 alone"),
        (("spicy",), "R4", "no flavour 'spicy'; known: ae-backport, "),
    ],
)
def test_impossible_flavours_are_refused_with_the_reason(
    folder: Path, flavours: tuple[str, ...], release: str, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        load_study(with_flavours(folder, *flavours), release)
    assert caught.value.where is not None
    assert caught.value.where.line
    assert caught.value.hint


def test_a_server_is_a_name_or_a_url(folder: Path) -> None:
    settings = load_study(folder)
    assert settings.server("http://127.0.0.1:8080/fhir/").url == "http://127.0.0.1:8080/fhir"
    with pytest.raises(UsageError, match="no server 'hospital'"):
        settings.server("hospital")


def test_the_url_of_a_named_server_is_that_server(folder: Path) -> None:
    settings = load_study(with_server(folder, "token-file: t"))
    assert settings.server("https://fhir.test/r4/") is settings.servers["hospital"]


@pytest.mark.parametrize("url", ["http://h:99999/fhir", "http://[::1/fhir", "http:///fhir"])
def test_an_address_that_cannot_be_is_refused(folder: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match="no base URL"):
        load_study(folder).server(url)
    with pytest.raises(ConfigurationError, match=r"servers\.hospital\.url is no URL"):
        load_study(with_server(folder, "connections: 1", url))


@pytest.mark.parametrize("outbox", ["postgres://u:p@db/outbox", "mysql://db/outbox"])
def test_an_outbox_is_a_file_or_postgresql(folder: Path, outbox: str) -> None:
    file = folder / "study.yaml"
    file.write_text(f"{file.read_text(encoding='utf-8')}outbox: '{outbox}'\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="neither a file nor a PostgreSQL") as caught:
        load_study(folder)
    assert outbox not in str(caught.value)


def test_snomed_outside_the_global_patient_set_is_asked_for(folder: Path) -> None:
    assert load_study(folder).snomed == "gps"
    file = folder / "study.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "snomed: all\n", encoding="utf-8")
    assert load_study(folder).snomed == "all"


def with_server(folder: Path, block: str, url: str = "https://fhir.test/r4") -> Path:
    file = folder / "study.yaml"
    server = f"servers:\n  hospital: {{url: '{url}', {block}}}\n"
    file.write_text(file.read_text(encoding="utf-8") + server, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ("auth: {type: kerberos}", "'kerberos' is not one of"),
        ("auth: {user: ward}", "'type' is a required property"),
        ("auth: {type: basic, user: ward}", "'password-file' is a required property"),
        ("auth: {type: basic, user: 'a:b', password-file: p}", "does not match"),
        ("auth: {type: bearer, token-file: t, kid: k}", "'kid' is not one of"),
        ("auth: {type: oauth2, client-id: c, secret-file: s}", "'token-url' is a required"),
        ("auth: {type: smart, client-id: c}", "'key-file' is a required property"),
        ("auth: {type: smart, client-id: c, key-file: k, password: CANARY}", "'password'"),
        ("auth: CANARY", "is of another type"),
        ("auth: {type: none}, token-file: t", "token-file and auth: one is enough"),
        ("client-certificate: c.pem", "'client-key' is a dependency of 'client-certificate'"),
        ("proxy: 'http://user:CANARY@proxy.test'", "does not match"),
    ],
)
def test_a_mistake_about_who_we_are_is_named(folder: Path, block: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        load_study(with_server(folder, block))
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("block", ["token-file: t", "auth: {type: bearer, token-file: t}"])
def test_a_token_file_alone_is_a_bearer_token(folder: Path, block: str) -> None:
    server = load_study(with_server(folder, block)).server("hospital")
    assert (server.auth.type, server.auth.secret_file) == ("bearer", folder / "t")


def test_the_way_to_a_server(folder: Path) -> None:
    block = "client-certificate: c.pem, client-key: c.key, proxy: 'http://proxy.test:3128'"
    server = load_study(with_server(folder, block)).server("hospital")
    assert server.auth.type == "none"
    assert server.certificate == (folder / "c.pem", folder / "c.key")
    assert server.proxy == "http://proxy.test:3128"


@pytest.mark.parametrize(
    ("pull", "says"),
    [
        ("{types: [Patient]}", "patients"),
        ("{patients: c.csv, types: []}", "non-empty"),
        ("{patients: c.csv, types: [patient]}", "does not match"),
        ("{patients: c.csv, types: [Patient], mode: bulk}", "group"),
        ("{patients: c.csv, types: [Patient], mode: bulk, group: a/b}", "does not match"),
        ("{patients: c.csv, types: [Patient], overlap: -1}", "minimum"),
    ],
)
def test_a_pull_that_cannot_be_is_refused(folder: Path, pull: str, says: str) -> None:
    file = folder / "study.yaml"
    file.write_text(f"{file.read_text(encoding='utf-8')}pull: {pull}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=says):
        load_study(folder)


def test_a_pull_has_its_defaults(folder: Path) -> None:
    assert load_study(folder).pull is None
    file = folder / "study.yaml"
    line = "pull: {patients: c.csv, types: [Patient]}\n"
    file.write_text(file.read_text(encoding="utf-8") + line, encoding="utf-8")
    found = load_study(folder).pull
    assert found is not None
    assert (found.mode, found.group, found.overlap) == ("search", None, 300)
    assert found.patients == folder / "c.csv"
