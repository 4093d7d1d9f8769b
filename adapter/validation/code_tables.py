"""The value sets and code systems at hand, read once: official ones and a user's own tables."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any, Protocol

from adapter.errors import UsageError
from adapter.validation.code_systems import (
    URIS,
    CodeSystem,
    NationalIdentifiers,
    Uris,
    is_absolute,
    of_structure,
    with_supplements,
)
from adapter.validation.value_sets import ValueSet

Json = dict[str, Any]

# what a user's definition that is not FHIR leads to: it is as if it were not there
MALFORMED = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
NUMBERED = re.compile(r"(\d+\.\d+)\.\d+")  # major and minor, then the patch
# systems that only a server can know: HL7's validator trusts no local content of theirs
SERVER_SIDE = frozenset(
    """http://hl7.org/fhir/sid/cvx http://loinc.org http://snomed.info/sct
    http://www.nlm.nih.gov/research/umls/rxnorm http://www.ama-assn.org/go/cpt
    http://hl7.org/fhir/ndfrt http://hl7.org/fhir/sid/ndc http://hl7.org/fhir/sid/icd-10
    http://hl7.org/fhir/sid/icd-9-cm http://hl7.org/fhir/sid/icd-10-cm""".split()
)


class DefinitionSource(Protocol):
    """What this module needs of ``definitions.Definitions``."""

    def value_set(self, canonical: str, /) -> Json | None:
        """A ValueSet by its canonical."""

    def code_system(self, canonical: str, /) -> Json | None:
        """A CodeSystem by its canonical."""

    def structure(self, canonical: str, /) -> Json | None:
        """A StructureDefinition by its canonical."""


class CodeTables:
    """Value sets and code systems by canonical; ``release`` decides how R4's imports are read."""

    def __init__(self, definitions: DefinitionSource, release: str):
        self.definitions = definitions
        self._union_imports = release in ("R4", "R4B")
        self._systems: dict[str, CodeSystem | None] = {}
        self._value_sets: dict[str, ValueSet | None] = {}
        self._own: dict[str, Json] = {}

    def value_set_index(self, url: str) -> ValueSet | None:
        """A value set by its canonical, None when it is unknown."""
        if url not in self._value_sets:
            found = self.definitions.value_set(url)
            try:
                made = None if found is None else ValueSet(found, self, self._union_imports)
            except MALFORMED:
                made = None
            self._value_sets[url] = made
        return self._value_sets[url]

    def system(self, url: str, version: str | None = None) -> CodeSystem | None:
        """A code system by its URL, None when it, or the version asked for, is unknown."""
        if url not in self._systems:
            try:
                self._systems[url] = self._read(url)
            except MALFORMED:
                self._systems[url] = None
        found = self._systems[url]
        if found is not None and version and not serves(version, found.version):
            return None
        return found

    def server_side(self, url: str | None) -> bool:
        """Whether only a server can know a system's codes."""
        return url in SERVER_SIDE and url not in self._own

    def is_code_system(self, url: str) -> bool:
        """Whether a definition of the system is at hand, with or without its codes."""
        return url in self._own or self.definitions.code_system(url) is not None

    def _read(self, url: str) -> CodeSystem | None:
        if url == URIS:
            return Uris()
        found = self._own.get(url) or self.definitions.code_system(url)
        if found is not None:
            special = url == NationalIdentifiers.URL
            return NationalIdentifiers(found) if special else CodeSystem(found)
        structure = self.definitions.structure(url) if is_absolute(url) else None
        return of_structure(structure) if structure is not None else None

    def add_csv(self, path: Path) -> None:
        """Adds a table of codes: columns system, code, display.

        A system that has definitions gets further concepts, another one becomes known by these.
        Raises UsageError for a file that is no such table.
        """
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                self._add_rows(path.name, csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UsageError(f"{path.name} cannot be read as a table of codes: {error}") from error
        self.forget()

    def _add_rows(self, name: str, rows: csv.DictReader[str]) -> None:
        if not {"system", "code"} <= set(rows.fieldnames or ()):
            raise UsageError(f"{name} must have the columns system, code and display")
        for row in rows:
            system, code = (row["system"] or "").strip(), (row["code"] or "").strip()
            if not system or not code:
                raise UsageError(f"{name} line {rows.line_num} has no system or no code")
            self._add_concept(system, code, (row.get("display") or "").strip())

    def _add_concept(self, system: str, code: str, display: str) -> None:
        if system not in self._own:
            known = self.definitions.code_system(system) or {}
            held = known if known.get("content") in ("complete", "fragment") else {}
            base = {"url": system, "content": "complete", "caseSensitive": True, **held}
            self._own[system] = {**base, "concept": list(base.get("concept", []))}
        concept = {"code": code, "display": display} if display else {"code": code}
        self._own[system]["concept"].append(concept)

    def add_supplement(self, supplement: Json) -> None:
        """Adds the designations and properties of a CodeSystem supplement to its system."""
        url = str(supplement.get("supplements", "")).partition("|")[0]
        base = self._own.get(url) or self.definitions.code_system(url)
        if base is not None:
            self._own[url] = with_supplements(base, [supplement])
            self.forget()

    def forget(self) -> None:
        """Reads everything anew: definitions were added."""
        self._systems.clear()
        self._value_sets.clear()


def serves(wanted: str, held: str | None) -> bool:
    """Whether a version may stand for the one wanted: the same but for a patch or for detail."""
    if held is None or more_detailed(wanted, held):
        return True
    match, other = NUMBERED.fullmatch(wanted), NUMBERED.fullmatch(held)
    return match is not None and other is not None and match[1] == other[1]


def more_detailed(wanted: str, held: str) -> bool:
    """Whether ``held`` is the version wanted, or one that says more."""
    return wanted == held or held.startswith(wanted + ".")
