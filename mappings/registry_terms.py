"""Words of a registration -> CodeableConcepts: the standard codes first, the raw word always.

The raw word stays as a Coding of its own in ``<canonical base>/CodeSystem/ctgov-<EnumName>``, so
that a registration can be rebuilt exactly from the FHIR that came of it.
"""

from __future__ import annotations

from mappings.context import CANONICAL, Context, Resource, fields
from mappings.entities import RegistryTerm

FIELDS = "ctgov-field"  # mappings/codes/ctgov-field.csv: label and code system of a field's values


def registry_concept(to: Context, enum: str, word: str) -> Resource:
    """The concept of an enum's word; a word that no table knows keeps its raw coding."""
    name = f"ctgov-{enum}"
    raw = {"system": f"{CANONICAL}/CodeSystem/{name}", "code": word}
    table = to.tables.get(name)
    known = to.coded(name, word) if table and word in table else {}
    text = {"true": "Yes", "false": "No"}.get(word, word)
    return {"coding": [*known.get("coding", []), raw], "text": known.get("text", text)}


def registry_term(to: Context, term: RegistryTerm, *, labelled: bool = True) -> Resource:
    """The concept of a field and its value; free text where the field's values have no system."""
    row = to.tables[FIELDS].rows(term.field)[0]
    if not row.system:
        return {"text": f"{row.label}: {term.value}" if labelled else term.value}
    concept = registry_concept(to, row.system.rpartition("/ctgov-")[2], term.value)
    if labelled:
        concept["text"] = f"{row.label}: {concept['text']}"
    return concept


def field_concept(to: Context, field: str) -> Resource:
    """The concept of a field itself, for elements such as Group.characteristic.code."""
    row = to.tables[FIELDS].rows(field)[0]
    system = f"{CANONICAL}/CodeSystem/{FIELDS}"
    return {"coding": [{"system": system, "code": field, "display": row.label}], "text": row.label}


def country_concept(to: Context, country: str) -> Resource:
    """The concept of a country, by ISO 3166-1 code or by the registry's name for it."""
    table = to.tables["study-country"]
    return to.coded(table.name, country) if country in table else fields(text=country)
