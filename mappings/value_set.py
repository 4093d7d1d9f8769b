"""Code tables as ValueSets: the codes that a profile's element may be expected to hold.

https://hl7.org/fhir/R4/valueset.html https://hl7.org/fhir/R5/valueset.html
"""

from __future__ import annotations

from mappings.code_tables import CodeTable
from mappings.concept_map import notices
from mappings.context import Resource, fields
from mappings.locations import CANONICAL, computable_name

VALUE_SETS = f"{CANONICAL}/ValueSet/"


def any_coding(table: CodeTable) -> bool:
    """False for a table of words alone, which makes no ValueSet."""
    return any(row.code for rows in table.terms.values() for row in rows)


def value_set(table: CodeTable) -> Resource:
    """The ValueSet of one table's codings, by system; the same in R4, R4B and R5."""
    systems: dict[str, dict[str, str]] = {}
    for rows in table.terms.values():
        for row in rows:
            if row.code:
                systems.setdefault(row.system, {})[row.code] = row.display
    return fields(
        resourceType="ValueSet",
        id=table.name,
        url=f"{VALUE_SETS}{table.name}",
        name=f"{computable_name(table.name)}Values",
        title=f"Codes of {table.name}",
        status="active",
        experimental=False,
        description=f"The codes that mappings/codes/{table.name}.csv writes.",
        copyright=notices(systems),
        compose={
            "include": [
                {
                    "system": system,
                    "concept": [fields(code=code, display=text) for code, text in codes.items()],
                }
                for system, codes in systems.items()
            ]
        },
    )
