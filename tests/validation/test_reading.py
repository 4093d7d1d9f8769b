"""What a user may point at, and what a hostile or careless file may hold."""

from __future__ import annotations

import gzip
import io
import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from adapter.errors import UsageError
from adapter.validation import reading
from adapter.validation.definitions import Definitions
from adapter.validation.issues import Issue
from adapter.validation.reading import Instance, documents, instances, parse_json

PATIENT = '{"resourceType": "Patient", "id": "a", "gender": "male"}'
XML = '<Patient xmlns="http://hl7.org/fhir"><id value="a"/><gender value="male"/></Patient>'
R4 = Definitions.shipped("R4")


def only(path: Path) -> Instance:
    (found,) = instances([path], R4)
    return found


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# --- where resources come from ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("one.json", PATIENT),
        ("one.JSON", PATIENT),
        ("one.json.gz", gzip.compress(PATIENT.encode(), mtime=0)),
        ("many.ndjson", PATIENT + "\n"),
        ("many.ndjson.gz", gzip.compress(PATIENT.encode(), mtime=0)),
        ("one.xml", XML),
        ("no-suffix", PATIENT),
        ("export.txt", PATIENT.replace(", ", ",\n")),
    ],
)
def test_a_patient_in_every_kind_of_file(tmp_path: Path, name: str, content: str | bytes) -> None:
    found = only(written(tmp_path, name, content))
    assert found.resource == json.loads(PATIENT)
    assert (found.line, found.issues) == (1, [])


def test_ndjson_numbers_its_lines_and_skips_empty_ones(tmp_path: Path) -> None:
    path = written(tmp_path, "x.ndjson", f"{PATIENT}\r\n\r\n{PATIENT}\n{{bad\n{PATIENT}")
    found = list(instances([path], R4))
    assert [each.line for each in found] == [1, 3, 4, 5]
    assert [each.resource is None for each in found] == [False, False, True, False]
    assert {issue.line for issue in found[2].issues} == {4}


def test_folders_are_searched_in_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "sub/c.ndjson", ".git/d.json", "package.json", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        written(tmp_path, name, PATIENT)
    files = [document.file for document in documents([tmp_path])]
    assert files == [str(tmp_path / name) for name in ("a.json", "b.json", "sub/c.ndjson")]


def test_other_json_of_a_folder_is_skipped_and_said(tmp_path: Path) -> None:
    ledger = written(tmp_path, "ledger.json", '{"balanced": true}')
    (found,) = instances([tmp_path], R4)
    assert [issue.severity for issue in found.issues] == ["information"]
    assert only(ledger).issues == []  # named by the user, so it is to be validated


@pytest.mark.parametrize(
    ("content", "skipped"),
    [
        ("<html><body/></html>", True),
        ('<?xml version="1.0"?><!-- x --><ODM xmlns="http://www.cdisc.org/ns/odm/v1.3"/>', True),
        ("<Patient><active/></Patient>", False),
        ('<Foo xmlns="http://hl7.org/fhir"/>', False),
        ("", False),
        (XML.encode("utf-16"), False),
    ],
)
def test_other_xml_of_a_folder_is_skipped(
    tmp_path: Path, content: str | bytes, skipped: bool
) -> None:
    written(tmp_path, "x.xml", content)
    (found,) = instances([tmp_path], R4)
    assert ([issue.severity for issue in found.issues] == ["information"]) is skipped


@pytest.mark.parametrize(
    "content",
    [PATIENT + "\n" + PATIENT, json.dumps(json.loads(PATIENT), indent=1), '<a xmlns="urn:x"/>'],
)
def test_standard_input_may_hold_anything(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    found = list(instances(["-"], R4))
    assert {each.file for each in found} == {"<stdin>"}
    kinds = [each.resource["resourceType"] for each in found if each.resource]
    assert kinds == ["Patient"] * (len(found) if "Patient" in content else 0)


def test_a_path_that_does_not_exist_is_an_error_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        list(documents([tmp_path / "nothing.json"]))


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(PATIENT.encode(), mtime=0)[:-5]])
def test_a_broken_archive_is_an_issue(tmp_path: Path, content: bytes) -> None:
    found = list(instances([written(tmp_path, "x.ndjson.gz", content)], R4))
    assert found[-1].resource is None
    assert "gzip" in found[-1].issues[0].message


@pytest.mark.parametrize("name", ["x.json", "x.ndjson", "x.xml", "x"])
def test_a_resource_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 100)
    large = PATIENT.replace("male", "m" * 300)
    found = next(instances([written(tmp_path, name, f"{large}\n")], R4))
    assert found.resource is None
    assert "more than 100 bytes" in found.issues[0].message


def test_reading_goes_on_after_a_line_that_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 100)
    path = written(tmp_path, "x.ndjson", f"{'x' * 350}\n{PATIENT}\n")
    found = list(instances([path], R4))
    assert [each.line for each in found] == [1, 2]
    assert found[1].resource == json.loads(PATIENT)


# --- text that is no JSON, or hardly ------------------------------------------------------------

FATAL = {
    "empty": "",
    "blank": " \n ",
    "array": f"[{PATIENT}]",
    "string": '"x"',
    "null": "null",
    "word": "hello",
    "garbage behind": PATIENT + " x",
    "two resources": PATIENT + PATIENT,
    "block comment": PATIENT.replace(",", ", /* x */", 1),
    "single quotes": PATIENT.replace('"', "'"),
    "open string": PATIENT[:-3],
    "open object": PATIENT[:-1],
    "no colon": '{"resourceType" "Patient"}',
    "escape": PATIENT.replace("male", "\\x"),
    "deep arrays": '{"name": ' + "[" * 100_000,
    "deep objects": '{"contact": ' * 100_000,
    "deep and closed": '{"a": ' + "[" * 300 + "]" * 300 + "}",
    "endless exponent": '{"multipleBirthInteger": 1e99999999}',
    "plus": '{"multipleBirthInteger": +1}',
}


@pytest.mark.parametrize("text", FATAL.values(), ids=FATAL.keys())
def test_what_cannot_be_read_is_one_fatal_issue(text: str) -> None:
    resource, issues = parse_json(text)
    assert resource is None
    assert [issue.severity for issue in issues].count("fatal") == 1
    assert issues[-1].line is not None


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_are_named(encoding: str) -> None:
    resource, issues = parse_json(PATIENT.encode(encoding))
    assert resource is None
    assert "UTF-16" in issues[0].message


def test_bytes_that_are_not_utf8_have_their_line() -> None:
    resource, issues = parse_json(b'{"resourceType": "Patient",\n"gender": "m\xffle"}')
    assert resource is None
    assert (issues[0].line, "UTF-8" in issues[0].message) == (2, True)


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse_json(b"\xef\xbb\xbf" + PATIENT.encode()) == (json.loads(PATIENT), [])


TOLERATED = {
    '{"resourceType": "Patient",\n"gender": "male",\n"gender": "female"}': (
        ("error", "Patient", 3, "DUPLICATE_JSON_PROPERTY_KEY"),
        {"gender": "male"},
    ),
    '{"resourceType": "Patient", "contact": [{"gender": "male",\n "gender":"male"}]}': (
        ("error", "Patient.contact[0]", 2, "DUPLICATE_JSON_PROPERTY_KEY"),
        {"contact": [{"gender": "male"}]},
    ),
    '{"resourceType": "Patient", "gender"\n: "male", "\\u0067ender": "female"}': (
        ("error", "Patient", 2, "DUPLICATE_JSON_PROPERTY_KEY"),
        {"gender": "male"},
    ),
    '{"resourceType": "Patient", // x\n"gender": "male"}': (
        ("error", "Patient", 1, "JSON_COMMENTS_NOT_ALLOWED"),
        {"gender": "male"},
    ),
    '{"resourceType": "Patient"\n"gender": "male"}': (
        ("error", "Patient", 2, "JSON_COMMA_MISSING"),
        {"gender": "male"},
    ),
    '{"resourceType": "Patient", "gender": "male",}': (
        ("error", "Patient", 1, "JSON_COMMA_EXTRA"),
        {"gender": "male"},
    ),
    '{"resourceType": "Patient", gender: "male"}': (
        ("error", "Patient", 1, "JSON_PROPERTY_NO_QUOTES"),
        {"gender": "male"},
    ),
    '{"resourceType": "Patient", "gender": male}': (
        ("error", "Patient.gender", 1, "JSON_PROPERTY_VALUE_NO_QUOTES"),
        {"gender": "male"},
    ),
    '{"resourceType": "Patient", "multipleBirthInteger": NaN}': (
        ("error", "Patient.multipleBirthInteger", 1, "JSON_PROPERTY_VALUE_NO_QUOTES"),
        {"multipleBirthInteger": "NaN"},
    ),
    '{"resourceType": "Patient", "multipleBirthInteger": 01}': (
        ("error", "Patient.multipleBirthInteger", 1, "Type_Specific_Checks_DT_Decimal_Valid"),
        {"multipleBirthInteger": Decimal(1)},
    ),
    '{"resourceType": "Patient", "gender": "\\ud800"}': (
        ("error", "Patient.gender", 1, "JSON_SURROGATE"),
        {"gender": "\ufffd"},
    ),
    '{"resourceType": "Patient", "gender": "a\tb"}': (
        ("warning", "Patient.gender", 1, "JSON_CONTROL_CHARACTER"),
        {"gender": "a\tb"},
    ),
}


@pytest.mark.parametrize(("text", "wanted"), TOLERATED.items())
def test_faults_that_can_be_read_past(text: str, wanted: tuple[object, object]) -> None:
    resource, issues = parse_json(text)
    assert resource is not None
    (issue,) = issues
    assert (issue.severity, issue.path, issue.line, issue.messageId) == wanted[0]
    assert {k: v for k, v in resource.items() if k != "resourceType"} == wanted[1]


def test_a_text_full_of_faults_is_given_up() -> None:
    _, issues = parse_json("{" + "a: 1, " * 1_000 + "}")
    assert issues[-1].severity == "fatal"
    assert len(issues) <= 101


# --- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("12", 12),
        ("1.5", 1.5),
        ("1234567890.123456789", Decimal("1234567890.123456789")),
        ("1e400", Decimal("1e400")),
        ("1.5E+3", Decimal("1.5E+3")),
        ("1" * 5_000, Decimal("1" * 5_000)),
        ("0." + "1" * 5_000, Decimal("0." + "1" * 5_000)),
    ],
    ids=lambda value: str(value)[:20],
)
def test_numbers_keep_the_digits_that_a_double_would_lose(text: str, wanted: object) -> None:
    resource, issues = parse_json(f'{{"value": {text}}}')
    assert (resource, issues) == ({"value": wanted}, [])
    assert resource is not None
    assert type(resource["value"]) is type(wanted)


def test_long_identifiers_are_no_numbers() -> None:
    oid = '{"system": "urn:oid:1.2.840.113619.21.1.2.3.4.5", "value": "123456789012345678"}'
    assert parse_json(oid) == (json.loads(oid), [])


# --- lines --------------------------------------------------------------------------------------


def test_an_instance_knows_the_lines_of_its_elements(tmp_path: Path) -> None:
    path = written(tmp_path, "x.json", PATIENT.replace(", ", ",\n"))
    assert only(path).lines_of(["Patient.gender", "Patient"]) == {"Patient.gender": 3, "Patient": 1}


def test_issues_have_the_shape_of_the_interface() -> None:
    _, (issue,) = parse_json("")
    assert isinstance(issue, Issue)
    assert issue.code in ("invalid", "structure")
