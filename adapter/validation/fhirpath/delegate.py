"""What this engine declines, asked of fhirpathpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapter.validation.fhirpath.code import Environment
from adapter.validation.fhirpath.errors import NotEvaluated

MODELS = {"R4": "r4", "R4B": "r4", "R5": "r5"}


def delegated(
    text: str, release: str, reason: NotEvaluated
) -> Callable[[Any, Any, Environment], bool]:
    """fhirpathpy's answer to an invariant.

    Raises NotEvaluated, with the reason of this engine, when fhirpathpy cannot parse it either.
    """
    try:
        import fhirpathpy
        from fhirpathpy.models import models

        evaluate = fhirpathpy.compile(text, models[MODELS.get(release, "r4")])
    except Exception as error:  # whatever a parser raises
        raise reason from error

    def invariant(value: Any, _sibling: Any, environment: Environment) -> bool:
        around = {"resource": environment.resource, "rootResource": environment.root}
        try:
            found = evaluate(value, around | environment.variables)
        except Exception as error:  # whatever its functions raise
            raise NotEvaluated(f"{reason}; fhirpathpy: {error}") from error
        return bool(found[0]) if len(found) == 1 and isinstance(found[0], bool) else bool(found)

    return invariant
