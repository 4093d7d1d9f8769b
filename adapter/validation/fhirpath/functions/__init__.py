"""FHIRPath's functions and those that FHIR adds, each by its name.

https://hl7.org/fhirpath/N1/#functions and https://hl7.org/fhir/R4/fhirpath.html#functions
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.validation.fhirpath.code import Code, One, Truth
from adapter.validation.fhirpath.errors import NotEvaluated
from adapter.validation.fhirpath.functions import (
    collections,
    conversions,
    fhir,
    numbers,
    strings,
    types,
)
from adapter.validation.fhirpath.functions.types import as_type, is_type, typed
from adapter.validation.fhirpath.syntax import Syntax

if TYPE_CHECKING:
    from adapter.validation.fhirpath.compiler import Compiler, Scope

FUNCTIONS = (
    collections.FUNCTIONS
    | conversions.FUNCTIONS
    | fhir.FUNCTIONS
    | numbers.FUNCTIONS
    | strings.FUNCTIONS
    | types.FUNCTIONS
)


def call(
    compiler: Compiler, name: str, source: Code, arguments: tuple[Syntax, ...], scope: Scope
) -> Code:
    """The code of a function on its input; raises NotEvaluated for one that is unknown."""
    if name not in FUNCTIONS:
        raise NotEvaluated(f"{name}() is unknown")
    least, most, build = FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        raise NotEvaluated(f"{name}() has {len(arguments)} arguments")
    return build(compiler, source, arguments, scope)


__all__ = ["FUNCTIONS", "One", "Truth", "as_type", "call", "is_type", "typed"]
