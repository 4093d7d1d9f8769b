"""Cells of a recipe: which parser a column gets, and the terms and limits it must keep to."""

from __future__ import annotations

import csv
import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from adapter.errors import ConfigurationError, Where
from adapter.recipes import cells
from adapter.recipes.cells import Parser
from adapter.recipes.formats import loses, precision
from adapter.settings import RecipeSettings, StudySettings
from adapter.sources import DictionaryField, Table
from mappings import entities
from mappings.code_tables import CodeTable
from mappings.terms import DATE_FIELDS, TERM_TABLES, WORDS

SUBJECT_ENTITIES = [
    "Subject",
    "Consent",
    "Visit",
    "Diagnosis",
    "Measurement",
    "Sample",
    "Treatment",
    "Support",
    "Answers",
    "SequencingResult",
    "Event",
    "Disposition",
]

# Fields that other parts of a recipe fill.
FROM_ELSEWHERE = ("key", "subject", "components", "disposition", "items", "findings", "suspects")


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """What recipes are compiled against: settings, sources, code tables and the pseudonymiser.

    ``arms`` are those of the registration; empty where it has none, or there is none. After
    ``today``, ``YYYY-MM-DD``, nobody is born yet; where it is empty that is not asked.
    """

    settings: StudySettings
    tables: Mapping[str, Table]
    codes: Mapping[str, CodeTable]
    pseudonym: Callable[[str, str], str]
    arms: Sequence[str] = ()
    today: str = ""


def unknown_column(
    settings: StudySettings, table: Table, column: str, *path: object
) -> ConfigurationError:
    """The error for a column that study.yaml names and the source does not have."""
    near = difflib.get_close_matches(column, table.columns, 1)
    return ConfigurationError(
        f"{table.file} has no column {column!r}",
        where=settings.where(*path),
        hint=f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(table.columns)}",
    )


class CellCompiler:
    """The part of a recipe's compiler that turns a field's spec into a parser."""

    def __init__(self, scope: Scope, recipe: RecipeSettings):
        self.scope = scope
        self.recipe = recipe
        self.spec = recipe.spec
        if recipe.source not in scope.tables:
            raise self.error(
                f"there is no source {recipe.source!r}",
                f"sources are: {', '.join(scope.tables)}",
                "source",
            )
        if recipe.entity not in SUBJECT_ENTITIES:
            raise self.error(
                f"there is no entity {recipe.entity!r}",
                f"entities are: {', '.join(SUBJECT_ENTITIES)}",
                "entity",
            )
        self.table = scope.tables[recipe.source]
        self.entity: type = getattr(entities, recipe.entity)
        self.types = {f.name: str(f.type) for f in dataclasses.fields(self.entity)}

    def error(self, message: str, hint: str, *path: object) -> ConfigurationError:
        """An error at a key of this recipe in study.yaml."""
        where = self.scope.settings.where("recipes", self.recipe.name, *path)
        return ConfigurationError(message, where=where, hint=hint)

    def _column(self, column: str, *path: object) -> None:
        if not column.startswith("=") and column not in self.table.columns:
            raise unknown_column(
                self.scope.settings, self.table, column, "recipes", self.recipe.name, *path
            )

    def _target(self, name: str, *path: object) -> None:
        if name not in self.types or name in FROM_ELSEWHERE:
            near = difflib.get_close_matches(name, self.types, 1)
            raise self.error(
                f"{self.recipe.entity} has no field {name!r}",
                f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(self.types)}",
                *path,
            )

    def _parser(self, column: str, spec: Mapping[str, Any]) -> Parser:
        to, described = spec["to"], self.table.dictionary.get(column)
        path = ("fields", column)
        if "separator" in spec and not self._listed(to):
            raise self.error(f"{to} holds one value", "leave out: separator", *path, "separator")
        if "codes" in spec:
            parser = cells.coded(self._codes(spec, to, *path), self._default(spec, to, *path))
            if described and described.choices:
                parser = cells.chosen(parser, described.choices)
        elif spec.get("pseudonym"):
            parser = self._pseudonym(to)
        elif to in DATE_FIELDS:
            parser = self._date(to, spec, described, *path)
        elif self.types[to].startswith("Decimal"):
            parser = self._number(spec, described)
        elif self.types[to].startswith("bool") or spec.get("flag"):
            parser = cells.flag()
        elif (known := self._terms(to)) is not None:
            parser = cells.coded({term: term for term in known})
        else:
            parser = cells.text()
        if self._listed(to):
            parser = cells.several(parser, spec.get("separator"))
        return cells.missing(parser, self._missing(spec, *path)) if "missing" in spec else parser

    def _listed(self, to: str) -> bool:
        """True for a field that holds several terms."""
        return self.types[to].startswith("tuple[str")

    def _date(
        self, to: str, spec: Mapping[str, Any], described: DictionaryField | None, *path: object
    ) -> Parser:
        zone, form = self.scope.settings.time_zone, spec.get("format")
        keep = spec.get("keep") or ("year" if to == "birth_year" else None)
        if form:
            self._format(form, keep, *path)
        kept = cells.date(zone, form, keep)
        if to == "birth_year" and self.scope.today:
            kept = cells.not_after(kept, self.scope.today)
        if described is None or not (described.minimum or described.maximum):
            return kept
        bounded = cells.dated_between(cells.date(zone, form), described.minimum, described.maximum)

        def parse(text: str) -> Any:
            bounded(text)
            return kept(text)

        return parse

    def _format(self, form: str, keep: str | None, *path: object) -> None:
        """A date format must read a date, and nothing that would then be left out."""
        if precision(form) is None:
            hint = "31/12/2024 is %d/%m/%Y, 31.12.24 is %d.%m.%y, 31-Dec-2024 is %d-%b-%Y"
            raise self.error("no date is read by this format", hint, *path, "format")
        if loses(form, keep):
            hint = "a time is %H:%M, or %I:%M %p of 12 hours, and needs its day; an offset is %z"
            raise self.error("this format says more than can be kept", hint, *path, "format")

    def _number(self, spec: Mapping[str, Any], described: DictionaryField | None) -> Parser:
        low, high = (
            (Decimal(str(spec["range"][0])), Decimal(str(spec["range"][1])))
            if "range" in spec
            else _limits(described)
        )
        comma = described is not None and described.validation.endswith("_comma_decimal")
        decimal = "," if comma else self.scope.settings.sources[self.recipe.source].decimal
        return cells.number(decimal, (low, high))

    def _missing(self, spec: Mapping[str, Any], *path: object) -> dict[str, str]:
        known = self.scope.codes["absent-reason"].terms
        for token, reason in spec["missing"].items():
            if reason not in known:
                raise self._unknown_term(str(reason), known, *path, "missing", token)
        return {token: str(reason) for token, reason in spec["missing"].items()}

    def _pseudonym(self, to: str) -> Parser:
        pseudonym = self.scope.pseudonym
        return lambda text: pseudonym(to, text)

    def _codes(self, spec: Mapping[str, Any], to: str, *path: object) -> dict[str, Any]:
        given = spec["codes"]
        codes = self._code_file(given, *path) if isinstance(given, str) else given
        boolean = self.types.get(to, "").startswith("bool")
        texts = {source: term if boolean else str(term) for source, term in codes.items()}
        if to == "unit":
            self._units_known(texts, *path)
            return texts
        if to == "site" and (self.recipe.entity, to) not in TERM_TABLES:
            for source, site in texts.items():
                self._site_known(site, *path, "codes", source)
        known = self._terms(to)
        for source, term in texts.items():
            if known is not None and not boolean and term not in known:
                raise self._unknown_term(term, known, *path, "codes", source)
        return texts

    def _units_known(self, units: Mapping[str, str], *path: object) -> None:
        """Each unit is one that some measurement has."""
        if self.recipe.entity != "Measurement":
            return
        table = self.scope.codes["measurement"]
        known = {unit for term in table.terms for unit in table.units(term)}
        for source, unit in units.items():
            if unit not in known:
                near = difflib.get_close_matches(unit, sorted(known), 1)
                hint = f"did you mean {near[0]!r}?" if near else "units are UCUM, as in the table"
                raise self.error(
                    f"no measurement has the unit {unit!r}", hint, *path, "codes", source
                )

    def _site_known(self, site: str, *path: object) -> None:
        sites = self.scope.settings.sites
        if site not in sites:
            near = difflib.get_close_matches(site, list(sites), 1)
            hint = f"did you mean {near[0]!r}?" if near else "add it under sites:"
            raise self.error(f"there is no site {site!r}", hint, *path)

    def _default(self, spec: Mapping[str, Any], to: str, *path: object) -> str | None:
        term = spec.get("default")
        known = self._terms(to)
        if term is not None and known is not None and term not in known:
            raise self._unknown_term(term, known, *path, "default")
        return term

    def _unknown_term(self, term: str, known: Iterable[str], *path: object) -> ConfigurationError:
        if known is self.scope.arms:
            hint = f"it has: {', '.join(known)}"
            return self.error(f"the registration has no arm {term!r}", hint, *path)
        near = difflib.get_close_matches(term, list(known), 1)
        hint = f"did you mean {near[0]!r}?" if near else "see mappings/codes/*.csv for the terms"
        return self.error(f"no code table explains the term {term!r}", hint, *path)

    def _terms(self, to: str, entity: str | None = None) -> Any:
        place = (entity or self.recipe.entity, to)
        if place in WORDS:
            return WORDS[place]
        if place == ("Subject", "arm"):
            return self.scope.arms or None
        table = TERM_TABLES.get(place)
        return self.scope.codes[table].terms if table else None

    def _code_file(self, name: str, *path: object) -> dict[str, str]:
        file = self.scope.settings.folder / name
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                return _once(name, csv.DictReader(lines))
        except (OSError, UnicodeDecodeError):
            raise self.error(
                f"the code file {name} cannot be read", "is it in the study folder?", *path
            ) from None
        except KeyError:
            raise ConfigurationError(
                "a code file has the columns source and term", where=Where(file=name, line=1)
            ) from None


def _once(name: str, rows: csv.DictReader[str]) -> dict[str, str]:
    """The terms by source code, each code once. Raises ConfigurationError with its line."""
    found: dict[str, str] = {}
    for row in rows:
        if row["source"] in found:
            raise ConfigurationError(
                f"the code {row['source']!r} stands twice in a code file",
                where=Where(file=name, line=rows.line_num),
                hint="keep one of the two lines: else the last would silently win",
            )
        found[row["source"]] = row["term"]
    return found


def _limits(described: DictionaryField | None) -> tuple[Decimal | None, Decimal | None]:
    """The dictionary's least and greatest value; what is no number limits nothing."""
    if described is None:
        return None, None
    return _limit(described.minimum), _limit(described.maximum)


def _limit(text: str) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None
