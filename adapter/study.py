"""A study folder, opened: settings, key, code tables and the context that mappings work in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from adapter.errors import ConfigurationError, Where
from adapter.privacy import fingerprint, id_function, study_key
from adapter.recipes import Scope
from adapter.settings import StudySettings, load_study
from adapter.sources import Table
from adapter.sources.ctgov import read_registration
from adapter.validation.packages import index
from mappings.code_tables import CodeTable, merged, read_table
from mappings.context import Context, load_flavours, load_tables
from mappings.entities import Study as StudyEntity
from mappings.flavours import profiles_of


class Study:
    """One study folder. Raises ConfigurationError when its study.yaml cannot be used."""

    def __init__(
        self,
        folder: Path | str,
        *,
        fhir: str | None = None,
        announce: Callable[[str], None] = lambda _: None,
    ):
        self.folder = Path(folder)
        self.settings: StudySettings = load_study(self.folder, fhir)
        self._announce = announce
        self.passed: set[str] = set()  # content hashes that the gate has let through
        # by which a consent has expired, a child is born or of age: YYYY-MM-DD at the study's place
        self.today = dt.datetime.now(self.settings.time_zone).date().isoformat()

    @cached_property
    def key(self) -> bytes:
        """The study key; a missing one is made on first use.

        Raises ConfigurationError where an outbox tells of another key before.
        """
        state = self.settings.folder / ".study-fhir"
        known = [*state.glob("*.marker.json"), *state.glob("outbox.sqlite")]
        if known and not self.settings.key_file.exists():
            raise ConfigurationError(
                "the study key is gone, and an outbox was made with it",
                where=Where(file=str(self.settings.key_file)),
                hint="restore it from its backup: with another key every resource has another id",
            )
        return study_key(self.settings.key_file, self._announce)

    @cached_property
    def key_fingerprint(self) -> str:
        """Recognises the key without giving it away."""
        return fingerprint(self.key)

    @cached_property
    def codes(self) -> dict[str, CodeTable]:
        """The shipped code tables with the study's own rows."""
        return read_codes(self.settings, load_tables(self.settings.snomed, self.settings.fhir))

    @cached_property
    def context(self) -> Context:
        """What the mappings of this study may know."""
        return Context(
            release=self.settings.fhir,
            study=(self.settings.study,),
            identifier_base=self.settings.identifier_base,
            id_of=id_function(self.key, self.settings.study),
            tables=self.codes,
            flavours=self.settings.flavours,
            profiles=profiles_of(load_flavours(), self.settings.flavours, self.supplied),
        )

    @cached_property
    def registration(self) -> StudyEntity | None:
        """The study as its registry has it. Raises SourceError, ConfigurationError."""
        if self.settings.registry is None:
            return None
        registered = read_registration(self.settings.registry).study
        if registered.key != (self.settings.study,):
            raise ConfigurationError(
                "the registration is of another study",
                where=self.settings.where("registry"),
                hint=f"study.yaml says study: {self.settings.study}",
            )
        return registered

    def scope(self, tables: Mapping[str, Table]) -> Scope:
        """What the recipes of this study are compiled against."""
        registered = self.registration
        arms = tuple(arm.name for arm in registered.arms) if registered else ()
        return Scope(self.settings, tables, self.codes, self.pseudonym, arms, self.today)

    @cached_property
    def supplied(self) -> frozenset[str]:
        """The canonical URLs in the FHIR packages that the study folder brings along."""
        paths = self.settings.packages
        return frozenset(url for path in paths for _, url, _ in index(path))

    def pseudonym(self, field: str, text: str) -> str:
        """The keyed pseudonym of a number that identifies, such as a hospitalization number."""
        return self.context.id_of("Identifier", f"{self.settings.identifier_base}/{field}", (text,))


def read_codes(settings: StudySettings, base: Mapping[str, CodeTable]) -> dict[str, CodeTable]:
    """The shipped code tables with the study's own rows. Raises ConfigurationError."""
    tables = dict(base)
    for name, path in settings.codes.items():
        where = settings.where("codes", name)
        try:
            with path.open(encoding="utf-8-sig", newline="") as lines:
                table = read_table(name, lines)
        except OSError:
            raise ConfigurationError("the code table cannot be read", where=where) from None
        except ValueError as error:
            raise ConfigurationError(str(error), where=where) from None
        tables[name] = merged(tables[name], table) if name in tables else table
    return tables
