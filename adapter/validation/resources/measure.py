"""Measure: criteria in CQL need the library that defines them."""

from __future__ import annotations

from collections.abc import Iterator

from adapter.validation.issues import Issue
from adapter.validation.resources.common import Json, Sources, child, children, error, text, texts

CQL = "text/cql"
# an expression of its own, that names nothing in a library
CQL_EXPRESSION = "text/cql-expression"


def check(measure: Json, sources: Sources) -> list[Issue]:
    """Errors of the criteria of groups, stratifiers and supplemental data."""
    found = (sources.definitions.find("Library", url) for _, url in texts(measure, "library"))
    libraries = [library for library in found if library]
    issues = []
    for path, criteria in _criteria(measure):
        if issue := _check_criteria(criteria, path, libraries):
            issues.append(issue)
    return issues


def _criteria(measure: Json) -> Iterator[tuple[str, Json]]:
    owners: list[tuple[str, Json]] = []
    for path, group in children(measure, "group"):
        owners += children(group, "population", path)
        owners += children(group, "stratifier", path)
    owners += children(measure, "supplementalData")
    for path, owner in owners:
        if criteria := child(owner, "criteria"):
            yield f"{path}.criteria", criteria


def _check_criteria(criteria: Json, path: str, libraries: list[Json]) -> Issue | None:
    language = text(criteria, "language") or ""
    if not language.startswith(CQL) or language.startswith(CQL_EXPRESSION):
        return None
    if not libraries:
        message = "the criteria are CQL, and no library of this measure is known"
        return error(path, message, "MEASURE_M_CRITERIA_CQL_NO_LIB", "invalid")
    name, dot, _ = (text(criteria, "expression") or "").partition(".")
    if not dot:
        if len(libraries) == 1:
            return None
        message = "the criteria name no library, and the measure has more than one"
        return error(path, message, "MEASURE_M_CRITERIA_CQL_ONLY_ONE_LIB", "invalid")
    named = [library for library in libraries if library.get("name") == name]
    if len(named) == 1:
        return None
    duplicate = "MEASURE_M_CRITERIA_CQL_LIB_DUPL"
    message_id = duplicate if named else "MEASURE_M_CRITERIA_CQL_LIB_NOT_FOUND"
    message = f"the measure has {len(named)} libraries of the name {name}"
    return error(path, message, message_id, "invalid")
