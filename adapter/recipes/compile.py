"""study.yaml's field tables compiled to closures, everything that can be wrong said beforehand."""

from __future__ import annotations

import csv
import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from adapter.errors import ConfigurationError, Where
from adapter.recipes import cells
from adapter.recipes.cells import Parser
from adapter.recipes.recipe import Checkbox, Fault, Field, Link, Recipe, Unit
from adapter.recipes.wide import FindingColumns, Measure, answers, findings, measurements
from adapter.settings import RecipeSettings, StudySettings
from adapter.sources import DictionaryField, Row, Table
from mappings import entities
from mappings.code_tables import CodeTable
from mappings.terms import TERM_TABLES, WORDS

DATES = frozenset(
    "collected date deceased end ended enrolled onset processed received recorded start until "
    "when withdrawn".split()
)
ORDERS = (("start", "end"), ("onset", "ended"), ("collected", "received"), ("when", "until"))
SUBJECT_ENTITIES = (
    "Subject Consent Visit Diagnosis Measurement Sample Treatment Support Answers "
    "SequencingResult Event Disposition"
).split()
KEY_FIELDS = ("site", "visit", "sample", "support", "suspect", "parent", "form")


class Compiler:
    """Compiles the recipes of one study; raises ConfigurationError with the line of study.yaml."""

    def __init__(
        self,
        settings: StudySettings,
        tables: Mapping[str, Table],
        codes: Mapping[str, CodeTable],
        pseudonym: Callable[[str, str], str],
    ):
        self.settings = settings
        self.tables = tables
        self.codes = codes
        self.pseudonym = pseudonym

    def compile(self) -> list[Recipe]:
        """Every recipe, in the order of study.yaml, and proof that no column is forgotten."""
        recipes = [_RecipeCompiler(self, each).compile() for each in self.settings.recipes.values()]
        self._every_column_is_named(recipes)
        return recipes

    def _every_column_is_named(self, recipes: Sequence[Recipe]) -> None:
        for name, table in self.tables.items():
            named = set(self.settings.sources[name].omit) | table.structure
            named |= {field.name for field in table.dictionary.values() if field.identifier}
            for recipe in recipes:
                if recipe.source == name:
                    named |= columns_of(recipe)
            unknown = sorted(set(self.settings.sources[name].omit) - set(table.columns))
            if unknown:
                raise self.unknown_column(table, unknown[0], "sources", name, "omit", unknown[0])
            for column in table.columns:
                if column not in named and any(row.filled(column) for row in table.rows):
                    raise ConfigurationError(
                        f"the column {column!r} holds data that no recipe takes",
                        where=table.where(1, column),
                        hint="map it in a recipe, or give a reason: "
                        f"sources.{name}.omit.{column} in study.yaml",
                    )

    def unknown_column(self, table: Table, column: str, *path: object) -> ConfigurationError:
        """The error for a column that study.yaml names and the source does not have."""
        near = difflib.get_close_matches(column, table.columns, 1)
        return ConfigurationError(
            f"{table.file} has no column {column!r}",
            where=self.settings.where(*path),
            hint=f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(table.columns)}",
        )


def columns_of(recipe: Recipe) -> set[str]:
    """Every source column a recipe takes or omits."""
    named = {part for part in recipe.key if not part.startswith("=")}
    named |= {recipe.subject} if recipe.subject else set()
    named |= {field.column for field in recipe.fields} | set(recipe.omitted)
    named |= {column for box in recipe.checkboxes for column in box.columns}
    named |= {part for link in recipe.links for part in link.key if not part.startswith("=")}
    return named | recipe.more_columns


class _RecipeCompiler:
    def __init__(self, parent: Compiler, recipe: RecipeSettings):
        self.parent = parent
        self.recipe = recipe
        self.spec = recipe.spec
        if recipe.source not in parent.tables:
            raise self.error(
                f"there is no source {recipe.source!r}",
                f"sources are: {', '.join(parent.tables)}",
                "source",
            )
        if recipe.entity not in SUBJECT_ENTITIES:
            raise self.error(
                f"there is no entity {recipe.entity!r}",
                f"entities are: {', '.join(SUBJECT_ENTITIES)}",
                "entity",
            )
        self.table = parent.tables[recipe.source]
        self.entity: type = getattr(entities, recipe.entity)
        self.types = {f.name: str(f.type) for f in dataclasses.fields(self.entity)}

    def error(self, message: str, hint: str, *path: object) -> ConfigurationError:
        where = self.parent.settings.where("recipes", self.recipe.name, *path)
        return ConfigurationError(message, where=where, hint=hint)

    def compile(self) -> Recipe:
        spec = self.spec
        for part in self.recipe.key:
            self._column(part, "key")
        subject = spec.get("subject")
        if subject:
            self._column(subject, "subject")
        elif self.recipe.entity != "Subject":
            raise self.error("says not whose rows these are", "add: subject: <column>", "entity")
        fields, omitted = self._fields()
        many, finish, more = self._wide()
        return Recipe(
            name=self.recipe.name,
            entity=self.entity,
            source=self.recipe.source,
            key=self.recipe.key,
            subject=subject,
            constants=self._constants(),
            fields=fields,
            omitted=omitted,
            checkboxes=self._checkboxes(),
            links=self._links(),
            required=self._required(bool(many)),
            selects=self._selection(),
            orders=tuple(
                pair for pair in ORDERS if {f.to for f in fields}.issuperset(pair)
            ),
            finish=finish,
            many=many,
            more_columns=frozenset(more),
        )

    # --- columns and fields ---

    def _column(self, column: str, *path: object) -> None:
        if not column.startswith("=") and column not in self.table.columns:
            raise self.parent.unknown_column(
                self.table, column, "recipes", self.recipe.name, *path
            )

    def _fields(self) -> tuple[list[Field], dict[str, str]]:
        fields, omitted = [], {}
        for column, spec in self.spec.get("fields", {}).items():
            self._column(column, "fields", column)
            if "omit" in spec:
                omitted[column] = spec["omit"]
                continue
            self._target(spec["to"], "fields", column)
            fields.append(
                Field(column, spec["to"], self._parser(column, spec), spec["to"] in DATES)
            )
        return fields, omitted

    def _target(self, name: str, *path: object) -> None:
        if name not in self.types or name in ("key", "subject", "components", "disposition"):
            near = difflib.get_close_matches(name, self.types, 1)
            raise self.error(
                f"{self.recipe.entity} has no field {name!r}",
                f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(self.types)}",
                *path,
            )

    def _parser(self, column: str, spec: Mapping[str, Any]) -> Parser:
        to, described = spec["to"], self.table.dictionary.get(column)
        path = ("fields", column)
        if "codes" in spec:
            parser = cells.coded(self._codes(spec, to, *path), self._default(spec, to, *path))
            if described and described.choices:
                parser = cells.chosen(parser, described.choices)
        elif spec.get("pseudonym"):
            parser = self._pseudonym(to)
        elif to in DATES or (to == "birth_year"):
            keep = spec.get("keep") or ("year" if to == "birth_year" else None)
            parser = cells.date(self.parent.settings.time_zone, spec.get("format"), keep)
            parser = self._within_dates(
                cells.date(self.parent.settings.time_zone, spec.get("format")), parser, described
            )
        elif self.types[to].startswith("Decimal"):
            parser = self._number(spec, described, *path)
        elif self.types[to].startswith("bool") or spec.get("flag"):
            parser = cells.flag()
        elif (self.recipe.entity, to) in TERM_TABLES or (self.recipe.entity, to) in WORDS:
            parser = cells.coded({term: term for term in self._terms(to)})
        else:
            parser = cells.text()
        return cells.missing(parser, self._missing(spec)) if "missing" in spec else parser

    def _within_dates(
        self, whole: Parser, kept: Parser, described: DictionaryField | None
    ) -> Parser:
        if described is None or not (described.minimum or described.maximum):
            return kept
        bounded = cells.dated_between(whole, described.minimum, described.maximum)

        def parse(text: str) -> Any:
            bounded(text)
            return kept(text)

        return parse

    def _number(
        self, spec: Mapping[str, Any], described: DictionaryField | None, *path: object
    ) -> Parser:
        low, high = (
            (Decimal(str(spec["range"][0])), Decimal(str(spec["range"][1])))
            if "range" in spec
            else (_limit(described and described.minimum), _limit(described and described.maximum))
        )
        decimal = self.parent.settings.sources[self.recipe.source].decimal
        if described and described.validation.startswith("number_") and "comma" in (
            described.validation
        ):
            decimal = ","
        return cells.number(decimal, (low, high))

    def _missing(self, spec: Mapping[str, Any]) -> dict[str, str]:
        return {token: str(reason) for token, reason in spec["missing"].items()}

    def _pseudonym(self, to: str) -> Parser:
        pseudonym = self.parent.pseudonym
        return lambda text: pseudonym(to, text)

    # --- codes ---

    def _codes(self, spec: Mapping[str, Any], to: str, *path: object) -> dict[str, Any]:
        given = spec["codes"]
        codes = self._code_file(given, *path) if isinstance(given, str) else given
        boolean = self.types.get(to, "").startswith("bool")
        texts = {source: term if boolean else str(term) for source, term in codes.items()}
        if to == "unit":
            return texts
        known = self._terms(to)
        for source, term in texts.items():
            if known is not None and not boolean and term not in known:
                raise self._unknown_term(term, known, *path, "codes", source)
        return texts

    def _default(self, spec: Mapping[str, Any], to: str, *path: object) -> str | None:
        term = spec.get("default")
        known = self._terms(to)
        if term is not None and known is not None and term not in known:
            raise self._unknown_term(term, known, *path, "default")
        return term

    def _unknown_term(
        self, term: str, known: Iterable[str], *path: object
    ) -> ConfigurationError:
        near = difflib.get_close_matches(term, list(known), 1)
        hint = f"did you mean {near[0]!r}?" if near else "see mappings/codes/*.csv for the terms"
        return self.error(f"no code table explains the term {term!r}", hint, *path)

    def _terms(self, to: str, entity: str | None = None) -> Any:
        place = (entity or self.recipe.entity, to)
        if place in WORDS:
            return WORDS[place]
        table = TERM_TABLES.get(place)
        return self.parent.codes[table].terms if table else None

    def _code_file(self, name: str, *path: object) -> dict[str, str]:
        file = self.parent.settings.folder / name
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                return {row["source"]: row["term"] for row in csv.DictReader(lines)}
        except (OSError, UnicodeDecodeError):
            raise self.error(f"the code file {name} cannot be read", "is it in the study folder?", *path) from None
        except KeyError:
            raise ConfigurationError(
                "a code file has the columns source and term", where=Where(file=name, line=1)
            ) from None

    # --- constants, checkboxes, links, selection ---

    def _constants(self) -> dict[str, Any]:
        constants: dict[str, Any] = {}
        for name, value in self.spec.get("set", {}).items():
            self._target(name, "set", name)
            known = self._terms(name)
            if known is not None and str(value) not in known:
                raise self._unknown_term(str(value), known, "set", name)
            if name in KEY_FIELDS:
                constants[name] = (str(value),)
            else:
                constants[name] = value if isinstance(value, bool) else str(value)
        if self.recipe.entity == "Answers":
            constants["form"] = (self.spec.get("form", self.recipe.name),)
        return constants

    def _checkboxes(self) -> list[Checkbox]:
        boxes = []
        for base, spec in self.spec.get("checkbox", {}).items():
            path = ("checkbox", base)
            self._target(spec["to"], *path)
            codes = self._codes(spec, spec["to"], *path)
            columns = {f"{base}___{code}": term for code, term in codes.items()}
            for column in columns:
                self._column(column, *path)
            boxes.append(Checkbox(spec["to"], columns))
        return boxes

    def _links(self) -> list[Link]:
        links = []
        for to, spec in self.spec.get("links", {}).items():
            self._target(to, "links", to)
            for part in spec["key"]:
                self._column(part, "links", to)
            links.append(
                Link(to, spec["entity"], tuple(spec["key"]), spec.get("optional", False))
            )
        return links

    def _required(self, wide: bool) -> tuple[str, ...]:
        own = tuple(
            f.name
            for f in dataclasses.fields(self.entity)
            if f.default is dataclasses.MISSING
            and f.default_factory is dataclasses.MISSING
            and f.name not in ("key", "subject", "form")
            and not (wide and f.name == "code")
        )
        more = tuple(self.spec.get("required", ()))
        for name in more:
            self._target(name, "required")
        return own + more

    def _selection(self) -> Callable[[Row], bool]:
        tests: list[Callable[[Row], bool]] = []
        if "form" in self.spec and self.table.dictionary:
            tests.append(self._form_filled(self.spec["form"]))
        for column, wanted in self.spec.get("where", {}).items():
            self._column(column, "where", column)
            tests.append(_condition(column, wanted))
        return lambda row: all(test(row) for test in tests)

    def _form_filled(self, form: str) -> Callable[[Row], bool]:
        dictionary = self.table.dictionary
        record = next(iter(dictionary))
        fields = [f for f in dictionary.values() if f.form == form and f.name != record]
        if not fields:
            known = ", ".join(dict.fromkeys(f.form for f in dictionary.values()))
            raise self.error(f"the dictionary has no form {form!r}", f"it has: {known}", "form")
        plain = [f.name for f in fields if f.type != "checkbox"]
        boxes = [f"{f.name}___{code}" for f in fields if f.type == "checkbox" for code, _ in f.choices]

        def filled(row: Row) -> bool:
            repeats = row.cells.get("redcap_repeat_instrument", "")
            if repeats.strip():
                return repeats == form
            return any(map(row.filled, plain)) or any(row.cells.get(b) == "1" for b in boxes)

        return filled

    # --- wide tables and checks across cells ---

    def _wide(self) -> tuple[Any, tuple[Any, ...], set[str]]:
        finish: list[Any] = []
        more: set[str] = set()
        many = None
        if "measures" in self.spec:
            measures = [self._measure(n, m, "measures", n) for n, m in self.spec["measures"].items()]
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
            more.update(column for p in pairs for column in (p.target, p.reads) if column)
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
        table = self.parent.codes["measurement"]
        if spec["code"] not in table:
            raise self._unknown_term(spec["code"], table.terms, *path, "code")
        self._unit_known(spec, *path)
        return Measure(
            name, column, spec["code"], spec.get("unit"), self._measured(name, spec, *path), components
        )

    def _unit_known(self, spec: Mapping[str, Any], *path: object) -> None:
        units = self.parent.codes["measurement"].units(spec["code"])
        unit = spec.get("unit")
        if unit and units and unit not in units:
            raise self.error(
                f"{spec['code']} is not known in {unit}", f"known: {', '.join(units)}", *path
            )

    def _measured(self, name: str, spec: Mapping[str, Any], *path: object) -> Parser:
        described = self.table.dictionary.get(name)
        if "codes" in spec:
            terms = self.parent.codes["result"].terms
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
            parser = self._number(spec, described, *path)
        return cells.missing(parser, self._missing(spec)) if "missing" in spec else parser

    def _unit_fits(self, unit: Unit, values: dict[str, Any]) -> None:
        """The code follows the unit, so a unit the code is not known in rejects the row."""
        units = self.parent.codes["measurement"].units(values["code"])
        columns = {field.to: field.column for field in unit.recipe.fields}
        bad = {fault.column: fault for fault in unit.faults}
        for name in ("unit", "value", "term"):
            if columns.get(name) in bad:
                unit.dead = bad[columns[name]]
                return
        has = [n for n in ("value", "term", "flag", "absent") if values.get(n) is not None]
        if not has:
            unit.dead = Fault(columns.get("value", ""), "missing-value", "there is no result")
        elif "value" in has and units and values.get("unit") not in units:
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
            return cells.date(self.parent.settings.time_zone)
        if item.validation.startswith(("number", "integer")) or item.type == "calc":
            return self._number({}, item)
        return cells.text()

    def _finding(self, index: int, spec: Mapping[str, Any]) -> FindingColumns:
        path = ("findings", index)
        self._column(spec["target"], *path)
        if "reads" in spec:
            self._column(spec["reads"], *path)
        terms = self._terms("target", "Finding")
        codes = spec.get("codes", {term: term for term in terms})
        codes = self._code_file(codes, *path) if isinstance(codes, str) else codes
        for source, term in codes.items():
            if term not in terms:
                raise self._unknown_term(str(term), terms, *path, "codes", source)
        described = self.table.dictionary.get(spec.get("reads", ""))
        return FindingColumns(
            spec["target"], spec.get("reads"), cells.coded(codes), self._number({}, described)
        )


def _limit(text: str | None) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None


def _condition(column: str, wanted: Any) -> Callable[[Row], bool]:
    if wanted == "filled":
        return lambda row: row.filled(column)
    if wanted == "empty":
        return lambda row: not row.filled(column)
    values = {str(value) for value in wanted}
    return lambda row: row.cells.get(column, "").strip() in values


def read_codes(settings: StudySettings, base: Mapping[str, CodeTable]) -> dict[str, CodeTable]:
    """The shipped code tables with the study's own rows. Raises ConfigurationError."""
    from mappings.code_tables import merged, read_table

    tables = dict(base)
    for name, path in settings.codes.items():
        where = settings.where("codes", name)
        try:
            with Path(path).open(encoding="utf-8-sig", newline="") as lines:
                table = read_table(name, lines)
        except OSError:
            raise ConfigurationError("the code table cannot be read", where=where) from None
        except ValueError as error:
            raise ConfigurationError(str(error), where=where) from None
        tables[name] = merged(tables[name], table) if name in tables else table
    return tables
