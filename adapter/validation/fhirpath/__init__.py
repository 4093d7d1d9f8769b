"""FHIRPath, compiled to closures over plain JSON.

https://hl7.org/fhirpath/N1/ and https://hl7.org/fhir/R4/fhirpath.html
"""

from adapter.validation.fhirpath.code import Environment
from adapter.validation.fhirpath.errors import EvaluationError, NotEvaluated
from adapter.validation.fhirpath.expressions import compile_expression, compile_invariant

__all__ = [
    "Environment",
    "EvaluationError",
    "NotEvaluated",
    "compile_expression",
    "compile_invariant",
]
