"""Code tables as ConceptMaps: how a local term is written in standard codes.

https://hl7.org/fhir/R4/conceptmap.html https://hl7.org/fhir/R5/conceptmap.html
The source of a map is the code system of the table's own terms, its targets are the systems of
other people. A term with our own code alone stands there as unmatched, so that the day a standard
code appears the change is one row of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any

from mappings.code_tables import CodeRow, CodeTable, term_system
from mappings.context import Resource, fields
from mappings.locations import CANONICAL, computable_name

UCUM = "http://unitsofmeasure.org"
UNIT = f"{CANONICAL}/unit"  # the property on which a code depends that holds for one unit
NARROWER, RELATED = "source-is-narrower-than-target", "related-to"
NOTICES = {
    "http://snomed.info/sct": (
        "This material holds concepts of SNOMED CT. SNOMED CT is (c) and (R) SNOMED International. "
        "Concepts of the Global Patient Set are used under the Creative Commons Attribution 4.0 "
        "International licence; any other needs a SNOMED CT affiliate licence."
    ),
    "http://loinc.org": (
        "This material contains content from LOINC (http://loinc.org). LOINC is copyright (c) "
        "Regenstrief Institute, Inc. and the Logical Observation Identifiers Names and Codes "
        "(LOINC) Committee and is available at no cost under the license at "
        "http://loinc.org/license. LOINC(R) is a registered United States trademark of "
        "Regenstrief Institute, Inc."
    ),
}


def concept_map(table: CodeTable, release: str) -> Resource:
    """The ConceptMap of one table: R4, R4B or R5.

    The status is draft while a row awaits its reviewer.
    """
    rows = [row for rows in table.terms.values() for row in rows]
    return fields(
        resourceType="ConceptMap",
        id=table.name,
        url=f"{CANONICAL}/ConceptMap/{table.name}",
        name=f"{computable_name(table.name)}Map",
        title=f"Terms of {table.name} in standard codes",
        status="draft" if any(row.reviewer in ("", "pending") for row in rows) else "active",
        experimental=False,
        description=(
            f"How mappings/codes/{table.name}.csv writes each local term; a code that holds "
            "for one unit depends on that unit."
        ),
        copyright=notices({row.system for row in rows}),
        additionalAttribute=ATTRIBUTES[release] if any(row.unit for row in rows) else None,
        group=[*_matched(table, release), *_unmatched(table, release)],
    )


def concept_maps(tables: Mapping[str, CodeTable], release: str) -> list[Resource]:
    """The ConceptMaps of all tables that lead to a standard code."""
    return [
        concept_map(table, release)
        for table in tables.values()
        if any(is_standard(row) for rows in table.terms.values() for row in rows)
    ]


def notices(systems: Container[str]) -> str:
    """What the owners of these code systems ask to be said."""
    return "\n\n".join(text for system, text in NOTICES.items() if system in systems)


def is_standard(row: CodeRow) -> bool:
    """True for a row with a code of somebody else's system."""
    return bool(row.code) and not row.system.startswith(CANONICAL)


def _matched(table: CodeTable, release: str) -> Iterator[Resource]:
    standard = {
        term: tuple(row for row in rows if is_standard(row)) for term, rows in table.terms.items()
    }
    for system in dict.fromkeys(row.system for rows in standard.values() for row in rows):
        yield {
            "source": term_system(table.name),
            "target": system,
            "element": [
                {
                    "code": term,
                    "display": rows[0].label,
                    "target": _targets((row for row in rows if row.system == system), release),
                }
                for term, rows in standard.items()
                if any(row.system == system for row in rows)
            ],
        }


def _unmatched(table: CodeTable, release: str) -> list[Resource]:
    elements = [
        {"code": term, "display": rows[0].label, **UNMATCHED[release]}
        for term, rows in table.terms.items()
        if not any(is_standard(row) for row in rows)
    ]
    if not elements:
        return []
    # HAPI wants a target even here: the system that the table's other terms are written in.
    target = next(row.system for rows in table.terms.values() for row in rows if is_standard(row))
    return [{"source": term_system(table.name), "target": target, "element": elements}]


def _targets(rows: Iterable[CodeRow], release: str) -> list[Resource]:
    """One target a code; the units it holds for are what it depends on."""
    units: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        units.setdefault((row.code, row.display, row.relation), []).append(row.unit)
    return [
        fields(
            code=code,
            display=display,
            **_relation(relation, release),
            dependsOn=[DEPENDS_ON[release](unit) for unit in held if unit],
        )
        for (code, display, relation), held in units.items()
    ]


def _relation(relation: str, release: str) -> Resource:
    element, words = RELATIONS[release]
    return {element: words.get(relation, relation) or "equivalent"}


def _depends_r4(unit: str) -> Resource:
    return {"property": UNIT, "system": UCUM, "value": unit}


def _depends_r5(unit: str) -> Resource:
    return {"attribute": "unit", "valueCoding": {"system": UCUM, "code": unit}}


# The tables hold the words of R5. R4 says how wide the target is, R5 how narrow the source.
_R4 = ("equivalence", {NARROWER: "wider", RELATED: "relatedto"})
RELATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "R4": _R4,
    "R4B": _R4,
    "R5": ("relationship", {}),
}
UNMATCHED: dict[str, dict[str, Any]] = {
    "R4": {"target": [{"equivalence": "unmatched"}]},
    "R4B": {"target": [{"equivalence": "unmatched"}]},
    "R5": {"noMap": True},
}
DEPENDS_ON: dict[str, Callable[[str], Resource]] = {
    "R4": _depends_r4,
    "R4B": _depends_r4,
    "R5": _depends_r5,
}
ATTRIBUTES: dict[str, list[Resource] | None] = {
    "R4": None,
    "R4B": None,
    "R5": [{"code": "unit", "uri": UNIT, "description": "The value's UCUM unit", "type": "Coding"}],
}
