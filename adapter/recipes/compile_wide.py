"""Wide tables of a recipe: measures, questionnaire items and sequencing findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapter.recipes import cells
from adapter.recipes.cells import Parser
from adapter.recipes.compile_cells import CellCompiler
from adapter.recipes.events import SuspectColumns, consistent, suspects
from adapter.recipes.recipe import Fault, Unit
from adapter.recipes.wide import FindingColumns, Measure, answers, findings, measurements
from adapter.sources import DictionaryField

NUMBERS = frozenset({"reads", "frequency", "depth"})  # of a sequencing finding


class WideCompiler(CellCompiler):
    """The part of a recipe's compiler that reads several entities or parts out of one row."""

    def _wide(self) -> tuple[Any, tuple[Any, ...], set[str]]:
        finish: list[Any] = []
        more: set[str] = set()
        many = None
        if "measures" in self.spec:
            measures = [
                self._measure(n, m, "measures", n) for n, m in self.spec["measures"].items()
            ]
            many = measurements(measures)
            more.update(column for measure in measures for column in measure.columns)
        elif self.recipe.entity == "Measurement":
            finish.append(self._unit_fits)
        if "items" in self.spec:
            finish.append(self._items())
            more.update(self.spec["items"])
        if "findings" in self.spec:
            pairs = [self._finding(n, f) for n, f in enumerate(self.spec["findings"])]
            finish.append(findings(pairs))
            more.update(column for p in pairs for column in p.columns.values())
        if "suspects" in self.spec:
            several = [self._suspect(n, s) for n, s in enumerate(self.spec["suspects"])]
            finish.append(suspects(several))
            more.update(column for each in several for column in each.columns)
        ends = any(spec.get("to") == "end" for spec in self.spec.get("fields", {}).values())
        if self.recipe.entity == "Treatment" and ends:
            finish.append(_open_course)
        if self.recipe.entity == "Event":
            finish.append(consistent(self.scope.settings.flavours))
        return many, tuple(finish), more

    def _measure(self, name: str, spec: Mapping[str, Any], *path: object) -> Measure:
        components = [
            self._measure(n, c, *path, "components", n)
            for n, c in spec.get("components", {}).items()
        ]
        column = None if name in spec.get("components", {}) else name
        if column is None or (components and column not in self.table.columns):
            column = None
        else:
            self._column(column, *path)
        table = self.scope.codes["measurement"]
        if spec["code"] not in table:
            raise self._unknown_term(spec["code"], table.terms, *path, "code")
        self._unit_known(spec, *path)
        return Measure(
            name,
            column,
            spec["code"],
            spec.get("unit"),
            self._measured(name, spec, *path),
            components,
        )

    def _unit_known(self, spec: Mapping[str, Any], *path: object) -> None:
        units = self.scope.codes["measurement"].units(spec["code"])
        unit = spec.get("unit")
        if units and not unit and not {"codes", "flag", "components"} & spec.keys():
            raise self.error(f"{spec['code']} needs a unit", f"known: {', '.join(units)}", *path)
        if unit and units and unit not in units:
            raise self.error(
                f"{spec['code']} is not known in {unit}", f"known: {', '.join(units)}", *path
            )

    def _measured(self, name: str, spec: Mapping[str, Any], *path: object) -> Parser:
        described = self.table.dictionary.get(name)
        if "codes" in spec:
            terms = self.scope.codes["result"].terms
            codes = spec["codes"]
            codes = self._code_file(codes, *path) if isinstance(codes, str) else codes
            for source, term in codes.items():
                if term not in terms:
                    raise self._unknown_term(str(term), terms, *path, "codes", source)
            parser = cells.coded(codes)
            if described and described.choices:
                parser = cells.chosen(parser, described.choices)
        elif spec.get("flag"):
            parser = cells.flag()
        else:
            parser = self._number(spec, described)
        return cells.missing(parser, self._missing(spec, *path)) if "missing" in spec else parser

    def _unit_fits(self, unit: Unit, values: dict[str, Any]) -> None:
        """The code follows the unit, so a unit the code is not known in rejects the row."""
        units = self.scope.codes["measurement"].units(values["code"])
        columns = {field.to: field.column for field in unit.recipe.fields}
        bad = {fault.column: fault for fault in unit.faults}
        for name in ("unit", "value", "term"):
            if columns.get(name) in bad:
                unit.dead = bad[columns[name]]
                return
        has = [n for n in ("value", "term", "flag", "absent") if values.get(n) is not None]
        if not has:
            unit.dead = Fault(columns.get("value", ""), "missing-value", "there is no result")
        elif units and values.get("unit") not in (*units, *(() if "value" in has else (None,))):
            why = f"is none of the units of {values['code']}"
            unit.dead = Fault(columns.get("unit", ""), "wrong-unit", why)

    def _items(self) -> Any:
        items = []
        for name in self.spec["items"]:
            described = self.table.dictionary.get(name)
            if described is None:
                raise self.error(
                    f"the dictionary has no field {name!r}",
                    "items are fields of a REDCap form",
                    "items",
                )
            items.append(described)
        return answers(items, {item.name: self._item_parser(item) for item in items})

    def _item_parser(self, item: DictionaryField) -> Parser:
        if item.type in ("yesno", "truefalse"):
            return cells.flag()
        if item.choices:
            return cells.chosen(cells.text(), item.choices)
        if item.validation.startswith(("date_", "datetime_")):
            return cells.date(self.scope.settings.time_zone)
        if item.validation.startswith(("number", "integer")) or item.type == "calc":
            return self._number({}, item)
        return cells.text()

    def _suspect(self, index: int, spec: Mapping[str, Any]) -> SuspectColumns:
        path = ("suspects", index)
        for column in (*spec.get("treatment", ()), *filter(None, (spec.get("causality"),))):
            self._column(column, *path)
        known = self._terms("causality", "Suspect")
        codes = spec.get("codes", {term: term for term in known})
        codes = self._code_file(codes, *path) if isinstance(codes, str) else codes
        for source, term in codes.items():
            if term not in known:
                raise self._unknown_term(str(term), known, *path, "codes", source)
        key = tuple(spec.get("treatment", ()))
        return SuspectColumns(key, spec.get("causality"), cells.coded(codes))

    def _finding(self, index: int, spec: Mapping[str, Any]) -> FindingColumns:
        path = ("findings", index)
        columns = {name: column for name, column in spec.items() if name != "codes"}
        for column in columns.values():
            self._column(column, *path)
        terms = self._terms("target", "Finding")
        codes = spec.get("codes", {term: term for term in terms})
        codes = self._code_file(codes, *path) if isinstance(codes, str) else codes
        for source, term in codes.items():
            if term not in terms:
                raise self._unknown_term(str(term), terms, *path, "codes", source)
        parsers = {name: cells.text() for name in columns}
        for name in NUMBERS.intersection(columns):
            parsers[name] = self._number({}, self.table.dictionary.get(columns[name]))
        classes = self._terms("source_class", "Finding")
        parsers |= {
            "target": cells.coded(codes),
            "source_class": cells.coded({term: term for term in classes}),
        }
        return FindingColumns(columns, parsers)


def _open_course(_unit: Unit, values: dict[str, Any]) -> None:
    """Where a source records ends, a course whose end is empty is still being given.

    Without a column for the end each row is one dose, which is completed.
    """
    if values.get("end") is None:
        values.setdefault("status", "in-progress")
