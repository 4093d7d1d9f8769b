"""A REDCap project: its raw data export and its data dictionary.

The dictionary says what form a field belongs to, what choices and limits it has, and whether it
identifies a person.  https://projectredcap.org  (data dictionary, 18 columns)
"""

from __future__ import annotations

import csv
from dataclasses import replace
from io import StringIO

from adapter.errors import SourceError, Where
from adapter.settings import SourceSettings
from adapter.sources.delimited import read_delimited
from adapter.sources.row import DictionaryField, Table

# Column names vary in real dictionaries, so columns are taken by position.
NAME, FORM, TYPE, LABEL, CHOICES = 0, 1, 3, 4, 5
VALIDATION, MINIMUM, MAXIMUM, IDENTIFIER, REQUIRED = 7, 8, 9, 10, 12
STRUCTURE = frozenset({"redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"})
FIXED_CHOICES = {
    "yesno": (("1", "Yes"), ("0", "No")),
    "truefalse": (("1", "True"), ("0", "False")),
}


def read_redcap(source: SourceSettings) -> Table:
    """Read an export with its dictionary. Raises SourceError."""
    table = read_delimited(source)
    if source.dictionary is None:
        raise SourceError(
            "a REDCap source needs its data dictionary",
            where=Where(file=source.file),
            hint=f"set sources.{source.name}.dictionary to the dictionary's CSV",
        )
    dictionary = read_dictionary(source)
    forms = {field.form for field in dictionary.values()}
    structure = STRUCTURE | {f"{form}_complete" for form in forms}
    return replace(table, dictionary=dictionary, structure=frozenset(structure))


def read_dictionary(source: SourceSettings) -> dict[str, DictionaryField]:
    """The fields of the data dictionary by name. Raises SourceError with the line."""
    path = source.dictionary
    assert path is not None  # noqa: S101  the caller has checked it
    shown = path.relative_to(source.path.parents[len(source.file.split("/")) - 1]).as_posix()
    try:
        lines = list(csv.reader(StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    except FileNotFoundError:
        raise SourceError("there is no such dictionary", where=Where(file=shown)) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(
            f"the dictionary cannot be read: {type(error).__name__}", where=Where(file=shown)
        ) from None
    if not lines or len(lines[0]) <= REQUIRED:
        raise SourceError(
            "this is not a REDCap data dictionary",
            where=Where(file=shown, line=1),
            hint="export it in REDCap: Designer, Download the current Data Dictionary",
        )
    return {cells[NAME]: _field(cells) for cells in lines[1:] if cells and cells[NAME]}


def _field(cells: list[str]) -> DictionaryField:
    cells = [*cells, *[""] * (18 - len(cells))]
    kind = cells[TYPE]
    return DictionaryField(
        name=cells[NAME],
        form=cells[FORM],
        label=cells[LABEL],
        type=kind,
        choices=FIXED_CHOICES.get(kind) or _choices(kind, cells[CHOICES]),
        validation=cells[VALIDATION],
        minimum=cells[MINIMUM],
        maximum=cells[MAXIMUM],
        identifier=cells[IDENTIFIER].strip().lower() == "y",
        required=cells[REQUIRED].strip().lower() == "y",
    )


def _choices(kind: str, text: str) -> tuple[tuple[str, str], ...]:
    if kind not in ("radio", "dropdown", "checkbox"):
        return ()
    pairs = (choice.partition(",") for choice in text.split("|"))
    return tuple((code.strip(), label.strip()) for code, _, label in pairs if code.strip())
