"""The tables of docs/ that follow from the code. ``make docs`` writes them anew."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from expected_warnings import warning_table
from mapping_tables import mapping_tables
from profile_examples import RELEASES
from profile_examples import write as write_profile_examples
from study_elements import element_table, write_examples

from adapter.errors import TABLE
from adapter.recipes.compile_cells import SUBJECT_ENTITIES
from mappings import entities
from mappings.context import load_tables
from mappings.terms import DATE_FIELDS, TERM_TABLES, WORDS

DOCS = Path(__file__).resolve().parents[2] / "docs"
FROM_THE_RECIPE = ("key", "subject")
PARTS = {
    "components": "from `measures`",
    "items": "from `items`",
    "findings": "from `findings`",
    "suspects": "from `suspects`",
}


def errors() -> str:
    """Every error: what it means, and what the outside sees of it."""
    lines = ["| code | means | exit | HTTP | FHIR issue | try again |", "| --- " * 6 + "|"]
    for kind, seen in TABLE.items():
        means = (kind.__doc__ or "").splitlines()[0].replace("``", "`")
        again = "yes" if kind.retryable else "no"
        lines.append(
            f"| `{kind.code}` | {means} | {seen.exit} | {seen.http} | {seen.issue} | {again} |"
        )
    return "\n".join(lines)


def entity_fields() -> str:
    """Every field that a recipe can fill, and what it holds."""
    lines = ["| entity | field | holds |", "| --- " * 3 + "|"]
    for name in SUBJECT_ENTITIES:
        for field in dataclasses.fields(getattr(entities, name)):
            if field.name not in FROM_THE_RECIPE and field.name != "disposition":
                needed = "**needed**: " if _needed(field) else ""
                lines.append(f"| {name} | `{field.name}` | {needed}{_holds(name, field)} |")
    return "\n".join(lines)


def _needed(field: dataclasses.Field[object]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _holds(entity: str, field: dataclasses.Field[object]) -> str:
    place, kind = (entity, field.name), str(field.type)
    if place in TERM_TABLES:
        return f"terms of `{TERM_TABLES[place]}`"
    if place in WORDS:
        return ", ".join(f"`{word}`" for word in sorted(WORDS[place]))
    if field.name in PARTS:
        return PARTS[field.name]
    if field.name == "form":
        return "from the recipe's `form`"
    if field.name == "birth_year":
        return (
            "year; a date is shortened to it. One in the future or after `enrolled` rejects the row"
        )
    if field.name in DATE_FIELDS:
        return "date or date-time"
    if kind.startswith("Key"):
        return "link (a constant by `set`)" if field.name == "site" else "link"
    return {"Decimal": "number", "bool": "flag"}.get(kind.split(" ")[0], "text")


LICENCES = {
    "cc0": "FHIR and HL7 terminology: CC0 by HL7",
    "snomed-gps": "SNOMED CT, Global Patient Set: CC BY 4.0 by SNOMED International",
    "snomed-affiliate": "SNOMED CT outside that set: an affiliate licence where the country is no "
    "member; behind `snomed: all`",
    "loinc": "LOINC licence, (c) Regenstrief Institute",
    "who-icd-10": "ICD-10, (c) World Health Organization; codes alone",
    "who-atc": "ATC, (c) WHO Collaborating Centre for Drug Statistics Methodology",
    "ncit": "NCI Thesaurus: CC BY 4.0 by the National Cancer Institute",
    "iso-3166": "country codes of ISO 3166, names as in FHIR",
    "miabis": "MIABIS by BBMRI-ERIC; its guide states no licence",
    "own": "ours, Apache-2.0; rows without a code are labels of our own",
}


def licences() -> str:
    """What the flags of the code tables' rows mean."""
    tables = load_tables("all").values()
    flags = {row.licence for table in tables for rows in table.terms.values() for row in rows}
    lines = ["| flag | what |", "| --- " * 2 + "|"]
    lines += [f"| `{flag}` | {LICENCES[flag]} |" for flag in sorted(flags)]
    return "\n".join(lines)


TABLES = {
    "errors": ("errors.md", errors),
    "entities": ("study-yaml.md", entity_fields),
    "licences": ("codes.md", licences),
    "mappings": ("mapping-tables.md", mapping_tables),
    "warnings": ("profiles.md", warning_table),
    "elements": ("reference-study.md", element_table),
}


def with_table(text: str, name: str, table: str) -> str:
    """The page with the table between its marks."""
    marks = rf"(<!-- begin {name}:[^>]*-->\n).*?(<!-- end {name} -->)"
    return re.sub(marks, lambda found: f"{found[1]}{table}\n{found[2]}", text, flags=re.DOTALL)


def main() -> None:
    """Write every table and example anew."""
    write_examples()
    for release in RELEASES:
        write_profile_examples(release)
    for name, (page, table) in TABLES.items():
        path = DOCS / page
        text = path.read_text(encoding="utf-8")
        path.write_text(with_table(text, name, table()), encoding="utf-8")


if __name__ == "__main__":
    main()
