"""What every source yields: rows of text cells that know their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapter.errors import Where


@dataclass(frozen=True, slots=True)
class Row:
    """One row as delivered: cells are text, untouched; ``line`` is the file's or sheet's own."""

    source: str
    line: int
    cells: Mapping[str, str]
    fault: str | None = None  # why the row itself cannot be read, e.g. too many cells
    held: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        held = frozenset(name for name, text in self.cells.items() if text and not text.isspace())
        object.__setattr__(self, "held", held)

    def filled(self, column: str) -> bool:
        """True when the cell holds more than white space."""
        return column in self.held


@dataclass(frozen=True, slots=True)
class DictionaryField:
    """One field of a data dictionary, as REDCap describes it."""

    name: str
    form: str
    label: str
    type: str  # text, notes, radio, dropdown, checkbox, yesno, truefalse, calc ...
    choices: tuple[tuple[str, str], ...] = ()
    validation: str = ""
    minimum: str = ""
    maximum: str = ""
    identifier: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A source read: its columns, its rows, and what its dictionary says."""

    name: str
    file: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    sheet: str | None = None
    dictionary: Mapping[str, DictionaryField] = field(default_factory=dict)
    structure: frozenset[str] = frozenset()  # columns that only give the file its shape
    omit: Mapping[str, str] = field(default_factory=dict)  # column -> why study.yaml leaves it out

    def where(self, line: int | None = None, column: str | None = None) -> Where:
        """The place of a cell of this table."""
        return Where(file=self.file, sheet=self.sheet, line=line, column=column)
