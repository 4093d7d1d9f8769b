"""Values changed one at a time: each leaf of an entity or document, and what else it might hold.

A changed value keeps its kind, so that a mapping goes the same way with it: texts and terms get a
mark, which ``MarkedTable`` sees through; dates move; numbers grow.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mappings.code_tables import CodeRow, CodeTable
from mappings.terms import TERM_TABLES, WORDS

MARK = "\ue000"
NUMBERED = re.compile("\ue001[0-9]+\ue002")
TEXTS = ("label", "system", "code", "display")  # columns of a code table that reach FHIR
YEAR = re.compile(r"\d{4}(?=$|-\d{2})")
NUMBER = re.compile(r"\d+")
FEW = 12  # terms of a table that are tried where a marked one is not understood

# Words that mappings look up and no code table or required binding lists.
OTHER_WORDS = ("gene", "completed", "final", "preliminary", "stopped", "active", "inactive")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value inside an entity or document: its path, its owner's class and field, its setter."""

    path: str
    value: Any
    place: tuple[str, str]
    put: Callable[[Any], Any]  # the whole anew, with another value here


def leaves(whole: Any) -> Iterator[Leaf]:
    """Every leaf that holds something; a key is one leaf, a list of parts is not."""
    yield from _leaves(whole, "", ("", ""), False, lambda new: new)


def _leaves(
    value: Any, path: str, place: tuple[str, str], is_key: bool, put: Callable[[Any], Any]
) -> Iterator[Leaf]:
    if value is None or value in ("", (), [], {}):
        return
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for each in dataclasses.fields(value):
            owner = (type(value).__name__, each.name)
            below = f"{path}.{each.name}" if path else each.name
            key = str(each.type).startswith("Key")
            setter = _setter(value, each.name, put)
            yield from _leaves(getattr(value, each.name), below, owner, key, setter)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            below = f"{path}.{name}" if path else str(name)
            yield from _leaves(item, below, ("", str(name)), False, _setter(value, name, put))
    elif isinstance(value, tuple | list) and not is_key:
        for at, item in enumerate(value):
            yield from _leaves(item, f"{path}[{at}]", place, False, _setter(value, at, put))
    else:
        yield Leaf(path, value, place, put)


def _setter(whole: Any, at: Any, put: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Puts a new value at a field, name or position of a whole, and that where it belongs."""

    def set_(new: Any) -> Any:
        if isinstance(whole, Mapping):
            return put({**whole, at: new})
        if isinstance(whole, tuple | list):
            changed = [*whole[:at], new, *whole[at + 1 :]]
            return put(tuple(changed) if isinstance(whole, tuple) else changed)
        return put(dataclasses.replace(whole, **{at: new}))

    return set_


def others(leaf: Leaf, tables: Mapping[str, CodeTable]) -> Iterator[Any]:
    """Other values that the leaf might hold, the most alike first."""
    value = leaf.value
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, Decimal | int):
        yield value + 1
    elif isinstance(value, tuple):
        yield (*value[:-1], f"{value[-1]}{MARK}")
    elif isinstance(value, str):
        if YEAR.match(value):
            yield YEAR.sub(lambda year: str(int(year[0]) - 4), value, count=1)
            return
        yield value + MARK
        if number := NUMBER.search(value):  # such as 14 Years
            yield f"{value[: number.start()]}{int(number[0]) + 1}{value[number.end() :]}"
        known = tables[TERM_TABLES[leaf.place]].terms if leaf.place in TERM_TABLES else ()
        yield from (term for term in list(known)[:FEW] if term != value)
        yield from sorted(WORDS.get(leaf.place, frozenset(OTHER_WORDS)) - {value})


def unmarked(text: str) -> str:
    """The text as it was before it was marked or numbered."""
    return NUMBERED.sub("", text.replace(MARK, ""))


class MarkedTable(CodeTable):
    """Knows marked terms and units too, and answers them with marked rows."""

    def __contains__(self, term: str) -> bool:
        return unmarked(term) in self.terms

    def rows(self, term: str, unit: str | None = None) -> tuple[CodeRow, ...]:
        """The rows of a term; marked when it is, or when its unit is and the code follows it."""
        rows = CodeTable.rows(self, unmarked(term), unit and unmarked(unit))
        if MARK in term:
            return tuple(_marked(row) for row in rows)
        if unit and MARK in unit:
            return tuple(_marked(row) if row.unit else row for row in rows)
        return rows

    def units(self, term: str) -> tuple[str, ...]:
        """The units of a term, each also marked."""
        units = CodeTable.units(self, unmarked(term))
        return (*units, *(unit + MARK for unit in units))


def _marked(row: CodeRow) -> CodeRow:
    texts = {name: getattr(row, name) for name in (*TEXTS, "category")}
    return dataclasses.replace(row, **{name: t + MARK for name, t in texts.items() if t})


def numbered(tables: Mapping[str, CodeTable]) -> tuple[dict[str, CodeTable], list[tuple[str, ...]]]:
    """Tables whose texts carry a number each, and what stands behind each number.

    A number stands for (table, term, position of the row among the term's, column).
    """
    behind: list[tuple[str, ...]] = []

    def number(table: str, at: int, row: CodeRow) -> CodeRow:
        new = {}
        for column in TEXTS:
            if text := getattr(row, column):
                new[column] = f"{text}\ue001{len(behind)}\ue002"
                behind.append((table, row.term, str(at), column))
        return dataclasses.replace(row, **new)

    made: dict[str, CodeTable] = {}
    for name, table in tables.items():
        terms = {
            term: tuple(number(name, at, row) for at, row in enumerate(rows))
            for term, rows in table.terms.items()
        }
        made[name] = MarkedTable(name, terms)
    return made, behind
