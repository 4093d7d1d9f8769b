"""SearchParameter: its expression is FHIRPath that its resources can answer."""

from __future__ import annotations

import re

from adapter.validation.fhirpath import NotEvaluated, compile_expression
from adapter.validation.issues import Issue
from adapter.validation.resources.common import Json, Sources, children, error, text, texts
from adapter.validation.resources.known_searches import search_type

ABSTRACT = ("Resource", "DomainResource")
HEAD = re.compile(r"[\s(]*([A-Z]\w*)")


def check(parameter: Json, sources: Sources) -> list[Issue]:
    """Errors of a search parameter."""
    return [
        *_check_expression(parameter, sources),
        *_check_master(parameter, sources),
        *_check_components(parameter),
    ]


def _check_expression(parameter: Json, sources: Sources) -> list[Issue]:
    expression = text(parameter, "expression")
    bases = [base for _, base in texts(parameter, "base")]
    if expression is None or not bases:
        return []
    name = "ED_SEARCH_EXPRESSION_ERROR"
    if unknown := [base for base in bases if sources.definitions.structure(base) is None]:
        return [error(".expression", f"there is no resource {unknown[0]}", name, "invalid")]
    for path in _united(expression):
        faults = [_fault(path, base, sources) for base in bases]
        if all(faults):
            return [error(".expression", f"the expression is wrong: {faults[0]}", name, "invalid")]
    return []


def _united(expression: str) -> list[str]:
    """The paths that an expression unites: each is of one of the bases."""
    paths, depth, quoted = [""], 0, ""
    for character in expression:
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in "'`":
            quoted = character
        else:
            depth += (character in "([") - (character in ")]")
        if character == "|" and depth == 0 and not quoted:
            paths.append("")
        else:
            paths[-1] += character
    return paths


def _fault(path: str, base: str, sources: Sources) -> str | None:
    head = HEAD.match(path)
    if head and base in ABSTRACT and head[1] not in ABSTRACT and head[1] != base:
        return f"{base} is not a {head[1]}"
    try:
        compile_expression(path, sources.definitions, base, strict=True)
    except NotEvaluated as fault:
        return str(fault)
    return None


def _check_master(parameter: Json, sources: Sources) -> list[Issue]:
    url = text(parameter, "derivedFrom")
    if url is None:
        return []
    issues = []
    master = sources.definitions.find("SearchParameter", url) or {}
    allowed = {base for _, base in texts(master, "base")}
    for _, base in texts(parameter, "base"):
        if allowed and "Resource" not in allowed and base not in allowed:
            message = f"{url} does not search {base}"
            issues.append(error("", message, "SEARCHPARAMETER_BASE_WRONG"))
    kind, expected = text(parameter, "type"), search_type(url, sources)
    if kind is not None and expected not in (None, kind):
        message = f"{url} is a {expected}, not a {kind}"
        issues.append(error("", message, "SEARCHPARAMETER_TYPE_WRONG"))
    return issues


def _check_components(parameter: Json) -> list[Issue]:
    if parameter.get("type") != "composite" or len(list(children(parameter, "component"))) > 1:
        return []
    message = "a composite search parameter has two components or more"
    return [error("", message, "SEARCHPARAMETER_MISSING_COMPONENTS")]
