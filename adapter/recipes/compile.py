"""study.yaml's field tables compiled to closures, everything that can be wrong said beforehand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from adapter.errors import ConfigurationError
from adapter.recipes.compile_cells import Scope, unknown_column
from adapter.recipes.compile_wide import WideCompiler
from adapter.recipes.recipe import Checkbox, Field, Link, Recipe
from adapter.sources import Row
from mappings.entities import Consent
from mappings.terms import DATE_FIELDS

ORDERS = (
    ("start", "end"),
    ("onset", "ended"),
    ("collected", "received"),
    ("when", "until"),
    ("birth_year", "enrolled"),
)
KEY_FIELDS = ("site", "visit", "sample", "support", "suspect", "parent", "form")

# Fields without a default that say something by their absence: a status is then worked out, and a
# number without a comparator is exact.
TELLING = frozenset({("Support", "status"), ("Treatment", "status"), ("Measurement", "comparator")})
# Fields of which an empty cell does not mean the default: nobody consents by silence.
NEVER_EMPTY = frozenset({("Consent", "decision")})


def compile_recipes(scope: Scope) -> list[Recipe]:
    """Every recipe, in the order of study.yaml, and proof that no column is forgotten.

    Raises ConfigurationError with the line of study.yaml.
    """
    recipes = [RecipeCompiler(scope, each).compile() for each in scope.settings.recipes.values()]
    _consent_is_told(scope, recipes)
    for name in scope.tables:
        _every_column_is_named(scope, name, [r for r in recipes if r.source == name])
    return recipes


def _consent_is_told(scope: Scope, recipes: Sequence[Recipe]) -> None:
    """A consent that is required must be somewhere in the sources, or everything is held back."""
    told = [recipe for recipe in recipes if recipe.entity is Consent]
    needed = scope.settings.consent
    fields = {name for recipe in told for name in (*recipe.constants, *_targets(recipe))}
    if (needed.required and not told) or (needed.genetics and "genetics" not in fields):
        missing = "genetics of a Consent" if told else "a Consent"
        raise ConfigurationError(
            f"consent is required, and no recipe makes {missing}",
            where=scope.settings.where("consent"),
            hint="add it to the recipes: docs/study-yaml.md",
        )


def _targets(recipe: Recipe) -> set[str]:
    return {field.to for field in recipe.fields} | {box.to for box in recipe.checkboxes}


def _every_column_is_named(scope: Scope, name: str, recipes: Sequence[Recipe]) -> None:
    table, omitted = scope.tables[name], scope.settings.sources[name].omit
    for column in sorted(set(omitted) - set(table.columns)):
        raise unknown_column(scope.settings, table, column, "sources", name, "omit", column)
    named = set(omitted) | table.structure
    named |= {field.name for field in table.dictionary.values() if field.identifier}
    named = named.union(*map(columns_of, recipes))
    for column in table.columns:
        if column not in named and any(row.filled(column) for row in table.rows):
            raise ConfigurationError(
                f"the column {column!r} holds data that no recipe takes",
                where=table.where(1, column),
                hint="map it in a recipe, or give a reason: "
                f"sources.{name}.omit.{column} in study.yaml",
            )


def columns_of(recipe: Recipe) -> set[str]:
    """Every source column a recipe takes or omits."""
    named = {part for part in recipe.key if not part.startswith("=")}
    named |= {recipe.subject} if recipe.subject else set()
    named |= {field.column for field in recipe.fields} | set(recipe.omitted)
    named |= {column for box in recipe.checkboxes for column in box.columns}
    named |= {part for link in recipe.links for part in link.key if not part.startswith("=")}
    return named | recipe.more_columns


class RecipeCompiler(WideCompiler):
    """Compiles one recipe of study.yaml."""

    def compile(self) -> Recipe:
        """The recipe; raises ConfigurationError with the line of study.yaml."""
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
            required=self._required(bool(many), fields),
            selects=self._selection(),
            orders=tuple(pair for pair in ORDERS if {f.to for f in fields}.issuperset(pair)),
            finish=finish,
            many=many,
            more_columns=frozenset(more),
            arms=tuple(self._arms()),
        )

    # --- columns and fields ---

    def _fields(self) -> tuple[list[Field], dict[str, str]]:
        fields, omitted = [], {}
        for column, spec in self.spec.get("fields", {}).items():
            self._column(column, "fields", column)
            if "omit" in spec:
                omitted[column] = spec["omit"]
                continue
            self._target(spec["to"], "fields", column)
            fields.append(self._field(column, spec))
        return fields, omitted

    def _field(self, column: str, spec: Mapping[str, Any]) -> Field:
        to = spec["to"]
        stands = self._stands_in(to)
        fatal = stands or to in DATE_FIELDS
        return Field(column, to, self._parser(column, spec), fatal, stands, self._listed(to))

    def _stands_in(self, to: str) -> bool:
        """True where something else would be said in the place of a cell that nobody can read."""
        default = next(f.default for f in dataclasses.fields(self.entity) if f.name == to)
        given = default not in (dataclasses.MISSING, None, ())
        return given or (self.recipe.entity, to) in TELLING or to in self.spec.get("set", {})

    # --- constants, checkboxes, links, selection ---

    def _constants(self) -> dict[str, Any]:
        constants: dict[str, Any] = {}
        for name, value in self.spec.get("set", {}).items():
            self._target(name, "set", name)
            known = self._terms(name)
            if name == "site" and known is None:
                self._site_known(str(value), "set", name)
            if known is not None and str(value) not in known:
                raise self._unknown_term(str(value), known, "set", name)
            if self._listed(name) or (name in KEY_FIELDS and known is None):
                constants[name] = (str(value),)
            else:
                constants[name] = value if isinstance(value, bool) else str(value)
        if self.recipe.entity == "Answers":
            constants["form"] = (self.spec.get("form", self.recipe.name),)
        return constants

    def _arms(self) -> Iterator[str]:
        """The arms that a recipe of subjects names, in the order in which it is written."""
        if self.recipe.entity != "Subject":
            return
        if "arm" in self.spec.get("set", {}):
            yield str(self.spec["set"]["arm"])
        for column, spec in self.spec.get("fields", {}).items():
            if spec.get("to") == "arm":
                if "codes" in spec:
                    yield from self._codes(spec, "arm", "fields", column).values()
                if "default" in spec:
                    yield spec["default"]

    def _checkboxes(self) -> list[Checkbox]:
        boxes = []
        for base, spec in self.spec.get("checkbox", {}).items():
            path = ("checkbox", base)
            self._target(spec["to"], *path)
            if not self._listed(spec["to"]):
                hint = "boxes become one field with several terms, such as criteria"
                raise self.error(f"{spec['to']} holds one value", hint, *path)
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
            links.append(Link(to, spec["entity"], tuple(spec["key"]), spec.get("optional", False)))
        return links

    def _required(self, wide: bool, fields: Sequence[Field]) -> tuple[str, ...]:
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
        stated = tuple(each.to for each in fields if (self.recipe.entity, each.to) in NEVER_EMPTY)
        return own + more + stated

    def _selection(self) -> Callable[[Row], bool]:
        tests: list[Callable[[Row], bool]] = []
        if "form" in self.spec and self.table.dictionary:
            tests.append(self._form_filled(self.spec["form"]))
        for column, wanted in self.spec.get("where", {}).items():
            self._column(column, "where", column)
            tests.append(_condition(column, wanted))
        if len(tests) == 1:
            return tests[0]
        return lambda row: all(test(row) for test in tests)

    def _form_filled(self, form: str) -> Callable[[Row], bool]:
        dictionary = self.table.dictionary
        record = next(iter(dictionary))
        fields = [f for f in dictionary.values() if f.form == form and f.name != record]
        if not fields:
            known = ", ".join(dict.fromkeys(f.form for f in dictionary.values()))
            raise self.error(f"the dictionary has no form {form!r}", f"it has: {known}", "form")
        plain = frozenset(f.name for f in fields if f.type != "checkbox")
        boxes = [
            f"{f.name}___{code}" for f in fields if f.type == "checkbox" for code, _ in f.choices
        ]

        def filled(row: Row) -> bool:
            repeats = row.cells.get("redcap_repeat_instrument", "")
            if repeats.strip():
                return repeats == form
            return not row.held.isdisjoint(plain) or any(row.cells.get(b) == "1" for b in boxes)

        return filled


def _condition(column: str, wanted: Any) -> Callable[[Row], bool]:
    if wanted == "filled":
        return lambda row: row.filled(column)
    if wanted == "empty":
        return lambda row: not row.filled(column)
    values = {str(value) for value in wanted}
    return lambda row: row.cells.get(column, "").strip() in values
