"""Registration records: errors that help, unknown keys reported, the reference record."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.errors import SourceError
from adapter.sources.ctgov import DroppedLeaf, drop_list, read_registration
from adapter.sources.leaves import leaves

TESTS = Path(__file__).parent.parent
REGISTRY = TESTS.parent / "examples" / "nct05862675" / "registry.json"
SCHEMA = TESTS / "data" / "ctg-v2.0.5.study.schema.json"
RECORD: dict[str, Any] = json.loads(REGISTRY.read_text("utf-8"))


def write(folder: Path, content: Any) -> Path:
    file = folder / "record.json"
    text = content if isinstance(content, str) else json.dumps(content)
    file.write_text(text, encoding="utf-8")
    return file


def changed(path: str, value: Any) -> dict[str, Any]:
    record = copy.deepcopy(RECORD)
    *parents, last = path.split(".")
    place = record
    for parent in parents:
        place = place[parent]
    place[last] = value
    return record


def test_the_reference_record_has_the_shape_of_the_api() -> None:
    jsonschema.validate(RECORD, json.loads(SCHEMA.read_text("utf-8")))


def test_the_reference_record() -> None:
    registration = read_registration(REGISTRY)
    study = registration.study
    assert study.key == ("NCT05862675",)
    assert study.status == "NOT_YET_RECRUITING"
    assert study.enrollment == 300
    assert [arm.name for arm in study.arms] == [
        "experimental group",
        "control group1",
        "control group2",
    ]
    assert [len(arm.interventions) for arm in study.arms] == [1, 1, 0]
    assert study.eligibility is not None
    assert len(study.eligibility.inclusion) == 2
    assert len(study.eligibility.exclusion) == 3
    assert [party.name for party in study.parties if party.role == "official"] == [
        "Zhou Mi, Master",
        "Ding Fengxia, Doctor",
    ]
    assert registration.leaves == len(list(leaves(RECORD)))
    assert registration.dropped == ()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file") as caught:
        read_registration(tmp_path / "none.json")
    assert caught.value.where is not None
    assert caught.value.where.file == str(tmp_path / "none.json")
    assert caught.value.hint


def test_broken_json_has_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not valid JSON") as caught:
        read_registration(write(tmp_path, '{\n "protocolSection": {,}\n}'))
    assert caught.value.where is not None
    assert (caught.value.where.line, caught.value.where.column) == (2, "22")


@pytest.mark.parametrize("text", ['{"protocolSection": NaN}', "[" * 100_000])
def test_json_beyond_json(text: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not valid JSON"):
        read_registration(write(tmp_path, text))


def test_legacy_xml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        read_registration(write(tmp_path, "<?xml version='1.0'?><clinical_study/>"))
    assert "XML" in (caught.value.hint or "")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(SourceError, match="UTF-8"):
        read_registration(file)


def test_a_folder_is_no_record(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read_registration(tmp_path)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ({"studies": [RECORD]}, "several studies"),
        ([RECORD], "several studies"),
        ({"resourceType": "ResearchStudy"}, "FHIR already"),
        ({}, "download"),
        ("12", "download"),
    ],
)
def test_another_document_says_what_to_do(content: Any, hint: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no protocolSection") as caught:
        read_registration(write(tmp_path, content))
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("protocolSection", []),
        ("protocolSection.identificationModule.nctId", None),
        ("protocolSection.identificationModule.briefTitle", 7),
        ("protocolSection.statusModule", "open"),
        ("protocolSection.designModule.enrollmentInfo.count", "300"),
        ("protocolSection.designModule.enrollmentInfo.count", True),
        ("protocolSection.armsInterventionsModule.armGroups", {}),
        ("protocolSection.armsInterventionsModule.armGroups", ["experimental group"]),
        ("protocolSection.eligibilityModule.healthyVolunteers", "Yes"),
        ("protocolSection.eligibilityModule.stdAges", [{"age": "CHILD"}]),
    ],
)
def test_another_shape_names_its_path(path: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="another shape") as caught:
        read_registration(write(tmp_path, changed(path, value)))
    assert caught.value.where is not None
    assert (caught.value.where.path or "").startswith(path)


def test_unknown_keys_are_told_and_tolerated(tmp_path: Path) -> None:
    record = changed("protocolSection.designModule.newKey", {"deep": [1, 2]})
    registration = read_registration(write(tmp_path, record))
    assert registration.dropped == (
        DroppedLeaf("protocolSection.designModule.newKey.deep[0]", "unknown key"),
        DroppedLeaf("protocolSection.designModule.newKey.deep[1]", "unknown key"),
    )


def test_empty_values_are_told(tmp_path: Path) -> None:
    record = changed("protocolSection.identificationModule.acronym", "")
    (leaf,) = read_registration(write(tmp_path, record)).dropped
    assert leaf.reason == "empty value"
    assert leaf.to_json() == {
        "path": "protocolSection.identificationModule.acronym",
        "reason": "empty value",
    }


def test_what_is_dropped_on_purpose_has_its_reason(tmp_path: Path) -> None:
    ancestors = [{"id": "D1", "term": "Lung Diseases"}]
    record = changed("derivedSection.conditionBrowseModule", {"ancestors": ancestors})
    dropped = read_registration(write(tmp_path, record)).dropped
    assert {leaf.reason for leaf in dropped} == {"follows from the MeSH headings"}
    assert len(dropped) == 2


def test_drop_list_has_reasons() -> None:
    assert all(drop_list().values())


def test_equal_places_stay_apart(tmp_path: Path) -> None:
    place = {"facility": "Research Site", "city": "Chongqing", "country": "China"}
    record = changed(
        "protocolSection.contactsLocationsModule", {"locations": [place, {**place}, {}]}
    )
    sites = read_registration(write(tmp_path, record)).study.sites
    assert len({site.key for site in sites}) == 3
    assert sites[2].name is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES = [path for path, _ in leaves(RECORD) if "[" not in path]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(path=st.sampled_from(PLACES), value=JSON)
def test_any_value_is_read_or_refused(path: str, value: Any, tmp_path: Path) -> None:
    """Whatever stands at a place: a SourceError and nothing else, or a registration."""
    record = changed(path, value)
    with contextlib.suppress(SourceError):
        registration = read_registration(write(tmp_path, record))
        listed = [leaf.path for leaf in registration.dropped]
        assert len(listed) == len(set(listed)) <= registration.leaves
        assert registration.leaves == len(list(leaves(record)))
