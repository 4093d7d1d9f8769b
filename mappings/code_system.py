"""Our own code systems: the terms of each code table, and the codes that stand where none exists.

https://hl7.org/fhir/R4/codesystem.html https://hl7.org/fhir/R5/codesystem.html
"""

from __future__ import annotations

from collections.abc import Mapping

from mappings.code_tables import CodeTable, term_system
from mappings.context import Resource
from mappings.locations import CANONICAL, computable_name
from mappings.registry_terms import FIELDS

OURS = f"{CANONICAL}/CodeSystem/"
YES_NO = {"true": "Yes", "false": "No"}  # of a registry's field that no table of its own explains


def own_codes(tables: Mapping[str, CodeTable]) -> dict[str, dict[str, str]]:
    """System to its codes with their names: every term of a table, and every code of our own.

    ``tables`` are those of ``load_tables("all")``: a term is the code that stands in for a
    concept which a study may not use.
    """
    systems: dict[str, dict[str, str]] = {}
    for table in tables.values():
        for rows in table.terms.values():
            for row in rows:
                if row.code and row.system.startswith(OURS):
                    systems.setdefault(row.system, {})[row.code] = row.display
    for table in tables.values():
        codes = systems.setdefault(term_system(table.name), {})
        for term, rows in table.terms.items():
            codes.setdefault(term, rows[0].label)
    for rows in tables[FIELDS].terms.values() if FIELDS in tables else ():
        if rows[0].system.startswith(OURS):
            systems.setdefault(rows[0].system, dict(YES_NO))
    return dict(sorted(systems.items()))


def code_systems(tables: Mapping[str, CodeTable]) -> list[Resource]:
    """A CodeSystem for each of our systems; the same in R4, R4B and R5."""
    return [_code_system(url, codes) for url, codes in own_codes(tables).items()]


def _code_system(url: str, codes: Mapping[str, str]) -> Resource:
    name = url.removeprefix(OURS)
    return {
        "resourceType": "CodeSystem",
        "id": name,
        "url": url,
        "name": f"{computable_name(name)}Codes",
        "title": f"Codes of {name}",
        "status": "active",
        "experimental": False,
        "description": f"Local codes of {name}: terms of the code tables of study-fhir-adapter.",
        "caseSensitive": True,
        **_content(name, codes),
        "concept": [{"code": code, "display": display} for code, display in codes.items()],
    }


def _content(name: str, codes: Mapping[str, str]) -> Resource:
    """All there is; of a registry's words those of today, since it may add to them any day."""
    if name.startswith("ctgov-"):
        return {"content": "fragment"}
    return {"content": "complete", "count": len(codes)}
