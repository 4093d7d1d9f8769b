"""Source files as hospitals deliver them, and as they should not."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import xlsxwriter

from adapter.errors import SourceError
from adapter.settings import SourceSettings
from adapter.sources import Table, excel, read_sources


def source(tmp_path: Path, name: str, form: str = "csv", **more: object) -> SourceSettings:
    return SourceSettings("s", form, name, tmp_path / name, **more)  # type: ignore[arg-type]


def read(settings: SourceSettings) -> Table:
    return read_sources({"s": settings})["s"]


def test_text_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("\ufeffid,v\r\n007, 1.10 \r\n".encode())
    row = read(source(tmp_path, "a.csv")).rows[0]
    assert dict(row.cells) == {"id": "007", "v": " 1.10 "}


def test_lines_count_as_an_editor_counts_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,note\n1,"two\nlines"\n\n2,x\n')
    assert [row.line for row in read(source(tmp_path, "a.csv")).rows] == [2, 5]


def test_the_encoding_is_stated_never_guessed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("id,v\n1,x\n2,重庆\n".encode("gb18030"))
    with pytest.raises(SourceError, match="is not utf-8") as caught:
        read(source(tmp_path, "a.csv"))
    assert caught.value.where is not None
    assert caught.value.where.line == 3
    table = read(source(tmp_path, "a.csv", encoding="gb18030"))
    assert table.rows[1].cells["v"] == "重庆"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("id,v,v\n1,2,3\n", "'v' stands 2 times"),
        ('id,v\n1,"open\n', "no end|delimited|EOF|unexpected"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SourceError, match=says):
        read(source(tmp_path, "a.csv"))


def test_a_missing_file_is_named_as_study_yaml_names_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file") as caught:
        read(source(tmp_path, "data/a.csv"))
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(("line", "fault"), [("1", "1 cells"), ("1,2,3", "3 cells")])
def test_a_row_of_another_length_is_a_fault_of_that_row(
    tmp_path: Path, line: str, fault: str
) -> None:
    (tmp_path / "a.csv").write_text(f"id,v\n{line}\n2,3\n")
    first, second = read(source(tmp_path, "a.csv")).rows
    assert fault in str(first.fault)
    assert second.fault is None
    assert len(first.cells) == len(line.split(","))


def test_a_workbook_gives_text_with_the_sheet_s_row_numbers(tmp_path: Path) -> None:
    book = xlsxwriter.Workbook(tmp_path / "a.xlsx")
    sheet = book.add_worksheet("Inventory")
    sheet.write_row(0, 0, ["id", "volume", "n"])
    sheet.write_row(1, 0, ["S1", 0.5, 3])
    sheet.write_row(3, 0, ["S2", 1.25, ""])
    book.close()
    table = read(source(tmp_path, "a.xlsx", "xlsx", sheet="Inventory"))
    assert [(row.line, dict(row.cells)) for row in table.rows] == [
        (2, {"id": "S1", "volume": "0.5", "n": "3"}),
        (4, {"id": "S2", "volume": "1.25", "n": ""}),
    ]
    with pytest.raises(SourceError, match="it has: Inventory"):
        read(source(tmp_path, "a.xlsx", "xlsx", sheet="Other"))


@pytest.mark.parametrize(("decimal", "text"), [(".", "0.5"), (",", "0,5")])
def test_a_number_of_a_workbook_is_written_with_the_decimal_sign_of_its_source(
    tmp_path: Path, decimal: str, text: str
) -> None:
    book = xlsxwriter.Workbook(tmp_path / "a.xlsx")
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["v", "w", "n"])
    sheet.write_row(1, 0, [0.5, text, 1500])
    book.close()
    row = read(source(tmp_path, "a.xlsx", "xlsx", decimal=decimal)).rows[0]
    assert dict(row.cells) == {"v": text, "w": text, "n": "1500"}


@pytest.mark.parametrize("name", ["a.xlsx", "a.ods"])
def test_a_workbook_that_unpacks_to_far_more_than_its_size_is_not_unpacked(
    tmp_path: Path, name: str
) -> None:
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bomb:
        bomb.writestr("xl/worksheets/sheet1.xml", bytes(excel.MEMBER + 1))
    with pytest.raises(SourceError, match="zip bomb") as caught:
        read(source(tmp_path, name, "xlsx"))
    assert caught.value.where is not None
    assert caught.value.where.file == name
    assert caught.value.hint


def test_a_workbook_is_refused_by_all_that_it_unpacks_to_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = xlsxwriter.Workbook(tmp_path / "a.xlsx")
    book.add_worksheet().write_row(0, 0, ["id"])
    book.close()
    assert read(source(tmp_path, "a.xlsx", "xlsx")).columns == ("id",)
    monkeypatch.setattr(excel, "TOTAL", 1000)
    with pytest.raises(SourceError, match="zip bomb"):
        read(source(tmp_path, "a.xlsx", "xlsx"))


def test_what_is_no_workbook_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_text("not a zip")
    with pytest.raises(SourceError, match="cannot be read as a workbook"):
        read(source(tmp_path, "a.xlsx", "xlsx"))


HEADER = (
    "Variable / Field Name,Form Name,Section Header,Field Type,Field Label,Choices,Field Note,"
    "Validation,Min,Max,Identifier?,Branching,Required?,,,,,"
)


def test_a_dictionary_says_what_a_field_may_hold(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(
        f"{HEADER}\n"
        'sex,base,,radio,Sex,"1, male | 2, female",,,,,,,y,,,,,\n'
        "hr,day,,text,Heart rate,,,integer,30,250,,,,,,,,\n"
        "name,base,,text,Name,,,,,,y,,,,,,,\n"
    )
    (tmp_path / "f.csv").write_text("sex,hr,name,base_complete\n1,80,x,2\n")
    table = read(source(tmp_path, "f.csv", "redcap", dictionary=tmp_path / "d.csv"))
    sex, hr, name = table.dictionary.values()
    assert sex.choices == (("1", "male"), ("2", "female"))
    assert sex.required
    assert (hr.minimum, hr.maximum, hr.validation) == ("30", "250", "integer")
    assert name.identifier
    assert "base_complete" in table.structure


def test_a_redcap_source_needs_its_dictionary(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("a\n1\n")
    with pytest.raises(SourceError, match="needs its data dictionary"):
        read(source(tmp_path, "f.csv", "redcap"))
    (tmp_path / "d.csv").write_text("a,b\n")
    with pytest.raises(SourceError, match="not a REDCap data dictionary"):
        read(source(tmp_path, "f.csv", "redcap", dictionary=tmp_path / "d.csv"))
