"""What can go wrong with a FHIRPath expression."""

from __future__ import annotations


class NotEvaluated(Exception):  # noqa: N818 - the name says what it means to the caller
    """The engine cannot say what the expression is: it is not FHIRPath, or beyond the engine."""


class EvaluationError(NotEvaluated):
    """FHIRPath itself signals an error for these data, as ``single()`` does for two items."""
