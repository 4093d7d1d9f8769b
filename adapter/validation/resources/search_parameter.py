"""SearchParameter: its expression is FHIRPath that its resources can answer."""

from __future__ import annotations

from adapter.validation.fhirpath import NotEvaluated, compile_expression
from adapter.validation.issues import Issue
from adapter.validation.resources.common import Json, Sources, children, error, text, texts


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
    context = bases[0] if len(bases) == 1 else "Resource"
    try:
        compile_expression(expression, sources.definitions, context, strict=True)
    except NotEvaluated as fault:
        name = "ED_SEARCH_EXPRESSION_ERROR"
        return [error(".expression", f"the expression is wrong: {fault}", name, "invalid")]
    return []


def _check_master(parameter: Json, sources: Sources) -> list[Issue]:
    url = text(parameter, "derivedFrom")
    master = sources.definitions.find("SearchParameter", url) if url else None
    if master is None:
        return []
    issues = []
    allowed = {base for _, base in texts(master, "base")}
    for _, base in texts(parameter, "base"):
        if "Resource" not in allowed and base not in allowed:
            message = f"{url} does not search {base}"
            issues.append(error("", message, "SEARCHPARAMETER_BASE_WRONG"))
    kind = text(parameter, "type")
    if kind is not None and kind != master.get("type"):
        message = f"{url} is a {master.get('type')}, not a {kind}"
        issues.append(error("", message, "SEARCHPARAMETER_TYPE_WRONG"))
    return issues


def _check_components(parameter: Json) -> list[Issue]:
    if parameter.get("type") != "composite" or len(list(children(parameter, "component"))) > 1:
        return []
    message = "a composite search parameter has two components or more"
    return [error("", message, "SEARCHPARAMETER_MISSING_COMPONENTS")]
