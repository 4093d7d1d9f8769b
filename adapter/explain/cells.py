"""From a field of an entity back to its cells: which columns, by which line of study.yaml."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from adapter.errors import Where
from adapter.recipes import Origin
from adapter.recipes.wide import NAMES
from adapter.settings import StudySettings
from adapter.sources import Row, Table

STEP = re.compile(r"(\w+)(?:\[(\d+)\])?(?:\.(\w+))?")
VALUES = ("value", "comparator", "term", "flag", "absent")


@dataclass(frozen=True, slots=True)
class Taken:
    """How a field was filled: from columns (none for a constant), by a key of study.yaml."""

    columns: tuple[str, ...]
    path: tuple[str | int, ...]  # of the recipe's line in study.yaml
    spec: Mapping[str, Any]  # what stands there
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe as study.yaml has it, with the row that it was applied to."""

    settings: StudySettings
    name: str
    table: Table
    row: Row
    origin: Origin

    @property
    def spec(self) -> Mapping[str, Any]:
        """The recipe's text."""
        return self.settings.recipes[self.name].spec

    def taken(self, entity: Any, field: str) -> list[Taken]:
        """How the field of an entity, such as ``components[0].value``, was filled."""
        step = STEP.match(field)
        name, index, part = step.groups() if step else (field, None, None)
        at = int(index or 0)
        if name == "key":
            return [self._key(entity)]
        if name == "subject":
            return [self._at((self.spec.get("subject", ""),), "subject")]
        if name == "components":
            return self._component(entity, at, part or "")
        if name == "items":
            return self._item(entity, at)
        if name == "findings":
            return self._finding(at, part or "")
        if name == "suspects":
            return self._suspect(at, part or "")
        return [*self._plain(entity, name, at)] or [*self._measure(entity, name)]

    def _at(self, columns: Sequence[str], *path: str | int, unit: str | None = None) -> Taken:
        spec: Any = self.spec
        for key in path:
            spec = spec[key] if isinstance(key, int) or key in spec else {}
        named = tuple(column for column in columns if column and not column.startswith("="))
        return Taken(named, path, spec if isinstance(spec, Mapping) else {}, unit)

    def _key(self, entity: Any) -> Taken:
        measure = entity.key[-1] if "measures" in self.spec else ""
        columns = [*self.spec["key"], measure if measure in self.table.columns else ""]
        return self._at(columns, "key")

    def _plain(self, entity: Any, name: str, at: int) -> Iterator[Taken]:
        if name in self.spec.get("set", {}):
            yield self._at((), "set", name)
        if name in self.spec.get("links", {}):
            yield self._at(self.spec["links"][name]["key"], "links", name)
        for column, spec in self.spec.get("fields", {}).items():
            beside = spec.get("to") == "value" and name in ("comparator", "absent")
            if (spec.get("to") == name or beside) and self.row.filled(column):
                yield self._at((column,), "fields", column)
        for base, spec in self.spec.get("checkbox", {}).items():
            if spec["to"] == name:
                term = getattr(entity, name)[at]
                ticked = [f"{base}___{code}" for code, of in spec["codes"].items() if of == term]
                yield self._at(ticked, "checkbox", base)
        if name == "form":
            yield self._at((), "form")

    def _measure(self, entity: Any, name: str) -> Iterator[Taken]:
        measure = entity.key[-1]
        if measure not in self.spec.get("measures", {}):
            return
        path = ("measures", measure)
        if name in VALUES:
            yield self._at((measure,), *path, unit=self._at((), *path).spec.get("unit"))
        elif name in self._at((), *path).spec:
            yield self._at((), *path, name)

    def _component(self, entity: Any, at: int, part: str) -> list[Taken]:
        path = ("measures", entity.key[-1], "components")
        code = entity.components[at].code
        for column, spec in self._at((), *path).spec.items():
            if spec["code"] == code:
                if part in VALUES:
                    return [self._at((column,), *path, column, unit=spec.get("unit"))]
                return [self._at((), *path, column, part)]
        return []

    def _item(self, entity: Any, at: int) -> list[Taken]:
        column = entity.items[at].link
        return [self._at((column,), "items", self.spec["items"].index(column))]

    def _finding(self, at: int, part: str) -> list[Taken]:
        read = [
            (index, spec)
            for index, spec in enumerate(self.spec["findings"])
            if any(spec.get(name) in self.origin.columns for name in NAMES)
        ]
        if at >= len(read):
            return []
        index, spec = read[at]
        return [self._at((spec.get(part, ""),), "findings", index)]

    def _suspect(self, at: int, part: str) -> list[Taken]:
        read = [
            (index, spec)
            for index, spec in enumerate(self.spec.get("suspects", ()))
            if all(self._filled(column) for column in spec.get("treatment", ()))
            and ("treatment" in spec or self._filled(spec["causality"]))
        ]
        if at >= len(read):
            return []
        index, spec = read[at]
        columns = spec["treatment"] if part == "treatment" else [spec.get("causality", "")]
        return [self._at(columns, "suspects", index)]

    def _filled(self, column: str) -> bool:
        return column.startswith("=") or self.row.filled(column)

    # --- the lines behind it ---

    def line(self, taken: Taken) -> Where:
        """The place of the recipe's line in study.yaml."""
        return self.settings.where("recipes", self.name, *taken.path)

    def decoded(self, taken: Taken) -> Where | None:
        """The place that says which term the source's own code stands for."""
        codes = taken.spec.get("codes")
        if codes is None or not taken.columns:
            return None
        cell = self.row.cells.get(taken.columns[0], "").strip()
        if isinstance(codes, str):
            return _line_of(self.settings, codes, cell)
        place = self.settings.where("recipes", self.name, *taken.path, "codes", cell)
        return replace(place, path=(place.path or "").rpartition(".")[0])  # the last is the cell

    def described(self, column: str) -> Where | None:
        """The column's line in the source's data dictionary."""
        source = self.settings.sources[self.table.name]
        if source.dictionary is None or column not in self.table.dictionary:
            return None
        file = source.dictionary.relative_to(self.settings.folder).as_posix()
        return Where(file=file, line=_dictionary(source.dictionary).get(column), column=column)


@cache
def _dictionary(file: Path) -> dict[str, int]:
    """The line of each field of a data dictionary."""
    with file.open(encoding="utf-8-sig", newline="") as text:
        return {cells[0]: line for line, cells in _numbered(csv.reader(text)) if cells}


def _numbered(lines: Any) -> Iterator[tuple[int, list[str]]]:
    """Each record of a CSV reader with the line it begins at."""
    start = 1
    for cells in lines:
        yield start, cells
        start = lines.line_num + 1


def _line_of(settings: StudySettings, file: str, code: str) -> Where:
    with (settings.folder / file).open(encoding="utf-8-sig", newline="") as text:
        records = _numbered(csv.reader(text))
        at = next(records)[1].index("source")
        lines = (line for line, cells in records if len(cells) > at and cells[at] == code)
        return Where(file=file, line=next(lines, None))


def rule(taken: Taken) -> str | None:
    """What the recipe does to the cell beside reading it, in words."""
    spec = taken.spec
    said = [
        "the source's own code becomes a term" if "codes" in spec else "",
        "becomes a keyed pseudonym" if spec.get("pseudonym") else "",
        f"shortened to the {spec['keep']}" if "keep" in spec else "",
        f"read as {spec['format']}" if "format" in spec else "",
        f"must lie in {spec['range'][0]} .. {spec['range'][1]}" if "range" in spec else "",
        "missing-value codes become reasons" if "missing" in spec else "",
        f"unknown codes become {spec['default']}" if "default" in spec else "",
        "1 and 0 become true and false" if spec.get("flag") else "",
    ]
    return "; ".join(filter(None, said)) or None
