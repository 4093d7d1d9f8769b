"""Flavours: the shapes of other people's guides, which a study asks for in study.yaml.

Columns of ``mappings/flavours.csv``, a row for each resource type that a flavour reshapes:
``flavour,releases,resource,profile,official,excludes,reason``. ``profile`` names our profile of
that shape, ``official`` is the guide's own URL, ``excludes`` the flavours that cannot stand beside
it, and ``reason`` says why a combination is refused.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from mappings.locations import profile_url

# Types whose resources have one of several shapes each, by the kind of result.
BY_KIND = frozenset({"DiagnosticReport", "Observation"})


@dataclass(frozen=True, slots=True)
class Flavour:
    """One row: what a flavour does to one resource type."""

    name: str
    releases: frozenset[str]
    resource: str
    profile: str
    official: str
    excludes: frozenset[str]
    reason: str

    def urls(self, supplied: Collection[str] = ()) -> list[str]:
        """What ``meta.profile`` names: ours, and the guide's own where its package is supplied."""
        ours = [profile_url(self.profile)] if self.profile else []
        return [*ours, self.official] if self.official in supplied else ours


def read_flavours(lines: Iterable[str]) -> tuple[Flavour, ...]:
    """The rows of a table of flavours."""
    return tuple(
        Flavour(
            name=row["flavour"],
            releases=frozenset(row["releases"].split()),
            resource=row["resource"],
            profile=row["profile"],
            official=row["official"],
            excludes=frozenset(row["excludes"].split()),
            reason=row["reason"],
        )
        for row in csv.DictReader(lines)
    )


def profiles_of(
    table: Iterable[Flavour], flavours: Collection[str], supplied: Collection[str] = ()
) -> dict[str, list[str]]:
    """The profile URLs of the chosen flavours, by resource type and by our own profile's URL.

    The type is for resources of one shape; a report or finding has one of several, by its kind.
    ``supplied`` are the URLs of profiles in the packages that the study folder brings along; other
    people's URLs are written for those alone. Raises ValueError where two of the flavours reshape
    one resource type, which ``refusal`` says beforehand.
    """
    chosen = [row for row in table if row.name in flavours]
    for one, other in _on_one_type(chosen):
        raise ValueError(f"{one.name} and {other.name} both reshape {one.resource}")
    found: dict[str, list[str]] = {}
    for row in chosen:
        if urls := row.urls(supplied):
            found[row.resource] = urls
            found[profile_url(row.profile)] = urls
    return found


def _on_one_type(rows: Sequence[Flavour]) -> Iterator[tuple[Flavour, Flavour]]:
    for one, other in combinations(rows, 2):
        if one.resource == other.resource not in BY_KIND:
            yield one, other


def refusal(table: Iterable[Flavour], flavours: Collection[str], release: str) -> str | None:
    """Why flavours cannot be had together, or in this release; None where they can."""
    rows = tuple(table)
    known = {row.name for row in rows}
    for name in sorted(set(flavours) - known):
        return f"there is no flavour {name!r}; known: {', '.join(sorted(known))}"
    for row in rows:
        if row.name not in flavours:
            continue
        if release not in row.releases:
            where = ", ".join(sorted(row.releases))
            return f"{row.name} cannot be had in {release}, only in {where}: {row.reason}"
        for other in sorted(row.excludes & set(flavours)):
            return f"{row.name} and {other} exclude each other: {row.reason}"
    for one, another in _on_one_type([row for row in rows if row.name in flavours]):
        return f"{one.name} and {another.name} exclude each other: both reshape {one.resource}"
    return None
