"""docs/mapping-tables.md: which field of an entity becomes which element, in each release.

Nothing here is written by hand: specimens of every entity are mapped, one field is changed at a
time, and what changes in the resources is what the field becomes.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import typing
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "mappings"))

from child_record import CONSENT, PRODUCT, RECORD, SUBJECT, edges, id_of  # noqa: E402
from registry_records import Maker  # noqa: E402

from adapter.explain.differences import Trace, deciding, deciding_entities  # noqa: E402
from adapter.explain.variants import leaves, others  # noqa: E402
from adapter.settings import RELEASES, load_study  # noqa: E402
from adapter.sources.ctgov import study_of  # noqa: E402
from adapter.sources.leaves import Document  # noqa: E402
from mappings import Context, load_default_context, map_entity, map_subject  # noqa: E402
from mappings import entities as e  # noqa: E402
from mappings.study_record import map_study  # noqa: E402

INDEX = re.compile(r"\[\d+\]")
STEP = re.compile(r"(\w+)((?:\[\d+\])*)")
SHOWN = 4  # source columns in a cell of the table

FORM = e.Form(
    key=("follow_up",),
    title="Follow-up",
    questions=(
        e.Question(
            link="cough", text="Cough", kind="choice", options=(("1", "Often"),), required=True
        ),
    ),
)
SITE = e.Site(
    key=("main",),
    name="First Hospital",
    city="Chongqing",
    state="Chongqing",
    postal_code="400014",
    country="CN",
    status="RECRUITING",
    investigators=("Zhou Mi",),
)

Elements = dict[str, dict[str, dict[str, None]]]  # field -> release -> elements, in order
Tables = dict[str, dict[str, None]]  # field -> code tables, in order


@dataclasses.dataclass
class Section:
    """What is known of one entity's fields: elements in each release, and code tables."""

    elements: Elements = dataclasses.field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    tables: Tables = dataclasses.field(default_factory=lambda: defaultdict(dict))

    def add(self, release: str, field: str, element: str, tables: Iterable[str]) -> None:
        """A field that decides an element, which holds codes of these tables.

        Whether a resource is there at all is nothing that the table tells.
        """
        if "." not in element:
            return
        name = INDEX.sub("", field)
        self.elements[name][release][element] = None
        self.tables[name].update(dict.fromkeys(tables))


def mapping_tables() -> str:
    """The page: one table for each entity."""
    sections: dict[str, Section] = defaultdict(Section)
    for release in RELEASES:
        to = load_default_context("NCT05862675", id_of, release=release)
        for whole in (*_records(), *((edge,) for edge in edges())):
            _of_subject(list(whole), to, sections)
        _of_whole("Product", PRODUCT, map_entity, to, sections)
        _of_whole("Form", FORM, map_entity, to, sections)
        _of_whole("Study", _study(), _mapped_study, to, sections)
    columns = {**_columns(), **_registry_fields()}
    ordered = [*(kind.__name__ for kind in typing.get_args(e.SubjectEntity)), *sections]
    return "\n\n".join(
        _table(name, sections[name], columns) for name in dict.fromkeys(ordered) if name in sections
    )


def _records() -> Iterator[tuple[e.SubjectEntity, ...]]:
    """What one child has; its disposition and its withdrawn consent each end the same by itself."""
    standing = dataclasses.replace(CONSENT, withdrawn=None)
    yield tuple(standing if each is CONSENT else each for each in RECORD)
    yield (SUBJECT, CONSENT)
    yield (SUBJECT,)


# --- what becomes of what ------------------------------------------------------------------------


def _of_subject(whole: list[Any], to: Context, sections: dict[str, Section]) -> None:
    for own in range(len(whole)):

        def remap(entities: Any, context: Context, own: int = own) -> dict[str, Any]:
            present = [each for each in entities if each is not None]
            return _by_type(r for it, r in map_subject(present, context) if it is entities[own])

        trace = Trace(whole, remap, to)
        made, codes = remap(whole, trace.watched), trace.codes()
        for path, fields in deciding_entities(trace, own).items():
            for at, field in fields:
                tables = (use.table for use in codes.get(path, ()))
                name = type(whole[at]).__name__
                sections[name].add(to.release, field, readable(made, path), tables)


def _of_whole(
    name: str,
    whole: Any,
    mapped: Callable[[Any, Context], Iterable[dict[str, Any]]],
    to: Context,
    sections: dict[str, Section],
) -> None:
    trace = Trace(whole, lambda it, context: _by_type(mapped(it, context)), to)
    made, codes = _by_type(mapped(whole, trace.watched)), trace.codes()
    for path, fields in deciding(trace).items():
        for field in fields:
            tables = (use.table for use in codes.get(path, ()))
            sections[name].add(to.release, field, readable(made, path), tables)


def _by_type(resources: Iterable[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = defaultdict(list)
    for resource in resources:
        found[resource["resourceType"]].append(resource)
    return dict(found)


def _mapped_study(study: e.Study, to: Context) -> list[dict[str, Any]]:
    return [resource for _, resource in map_study(study, (), (), to)]


def _study() -> e.Study:
    """A registration with every key that the registry knows, one of each list, and a site."""
    made = _one_of_each(study_of(Document(Maker().record(), "specimen").root))
    return dataclasses.replace(made, present_status="RECRUITING", sites=(*made.sites, SITE))


def _one_of_each(value: Any) -> Any:
    """The first item of every list; all terms, since each is about a field of its own."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {
            field.name: _one_of_each(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name not in ("key", "terms", "design")
        }
        return dataclasses.replace(value, **parts)
    if isinstance(value, tuple):
        return tuple(_one_of_each(each) for each in value[:1])
    return value


def readable(made: Mapping[str, Any], path: str) -> str:
    """The element as people name it: no positions, extensions by name, a code or unit as one."""
    shown: list[str] = []
    value: Any = made
    for name, positions in STEP.findall(path):
        if name in ("meta", "resourceType") or _is_whole(value):
            break
        if name == "url" and shown[-1].startswith(("extension(", "modifierExtension(")):
            break
        if name in ("unit", "system", "code") and _is_quantity(value):
            name = "unit"
            value = value.get("code")
        else:
            value = value[name]
        for position in re.findall(r"\d+", positions):
            value = value[int(position)]
        if name in ("extension", "modifierExtension") and isinstance(value, dict):
            name = f"{name}({value['url'].rsplit('/', 1)[-1]})"
        shown.append(name)
    return ".".join(shown)


def _is_quantity(value: Any) -> bool:
    return isinstance(value, dict) and "value" in value and "unit" in value


def _is_whole(value: Any) -> bool:
    """True for a CodeableConcept, a Coding, a Reference: what is below says no more."""
    if not isinstance(value, dict):
        return False
    coding = {"system", "code", "display"}
    return (
        "coding" in value
        or "reference" in value
        or (coding.issuperset(value) and {"system", "code"} <= value.keys())
        or value.keys() == {"text"}
    )


# --- as a page -----------------------------------------------------------------------------------


def _table(name: str, section: Section, columns: Mapping[tuple[str, str], list[str]]) -> str:
    head = ["field", *RELEASES, "code tables", "read from"]
    lines = [f"### {name}", _row(head), _row("---" for _ in head)]
    for field in _ordered(name, section.elements):
        found = section.elements[field]
        cells = [by_type(found[release]) for release in RELEASES]
        first = next((cell for cell in cells if cell), "")
        cells = [cells[0], *("same" if cell == first and cell else cell for cell in cells[1:])]
        tables = ", ".join(
            f"[{table}](../mappings/codes/{table}.csv)" for table in section.tables[field]
        )
        lines.append(_row([f"`{field}`", *cells, tables, _source(name, field, columns)]))
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def by_type(found: Iterable[str]) -> str:
    """The elements, each type of resource named once."""
    paths_of: dict[str, list[str]] = defaultdict(list)
    for element in found:
        kind, _, path = element.partition(".")
        paths_of[kind].append(path)
    return "<br>".join(
        f"{kind}: {', '.join(f'`{path}`' for path in paths)}" for kind, paths in paths_of.items()
    )


def _ordered(name: str, found: Iterable[str]) -> list[str]:
    """Fields in the order of the entity's class."""
    order = [field.name for field in dataclasses.fields(getattr(e, name))]
    return sorted(found, key=lambda field: order.index(field.partition(".")[0]))


def _source(name: str, field: str, columns: Mapping[tuple[str, str], list[str]]) -> str:
    found = list(dict.fromkeys(columns.get((name, field), ())))
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(f"`{column}`" for column in found[:SHOWN]) + more


def _columns() -> Mapping[tuple[str, str], list[str]]:
    """Which columns of the reference study fill a field: ``source.column``."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    settings = load_study(ROOT / "examples" / "nct05862675")
    for recipe in settings.recipes.values():
        for field, columns in _filled(recipe.spec):
            named = [f"{recipe.source}.{c}" for c in columns if c and not c.startswith("=")]
            found[recipe.entity, field] += named
        found[recipe.entity, "key"] += [
            f"{recipe.source}.{column}" for column in recipe.key if not column.startswith("=")
        ]
    return found


def _registry_fields() -> dict[tuple[str, str], list[str]]:
    """Which fields of a registration record fill a field of the study: changed one at a time."""
    record = Maker().record()
    base = {leaf.path: leaf.value for leaf in leaves(study_of(Document(record, "").root))}
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for leaf in leaves(record):
        value = next(others(leaf, {}))
        after = study_of(Document(leaf.put(value), "").root)
        other = {each.path: each.value for each in leaves(after)}
        name = INDEX.sub("", leaf.path).removeprefix("protocolSection.")
        for path in base.keys() & other.keys():
            if base[path] != other[path]:
                found["Study", INDEX.sub("", path)].append(name)
    return {place: sorted(set(names)) for place, names in found.items()}


def _filled(spec: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    yield "subject", [spec.get("subject", "")]
    for column, field in spec.get("fields", {}).items():
        if "to" in field:
            yield field["to"], [column]
    for base, box in spec.get("checkbox", {}).items():
        yield box["to"], [f"{base}___{code}" for code in box["codes"]]
    for to, link in spec.get("links", {}).items():
        yield to, link["key"]
    for column, measure in spec.get("measures", {}).items():
        kind = "term" if "codes" in measure else "flag" if measure.get("flag") else "value"
        if "components" not in measure or "unit" in measure:
            yield kind, [column]
        yield "components.value", list(measure.get("components", {}))
    for pair in spec.get("findings", ()):
        yield "findings.target", [pair["target"]]
        yield "findings.reads", [pair.get("reads", "")]
    yield "items.code", spec.get("items", [])
