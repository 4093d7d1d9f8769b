"""study.yaml's field tables: rows in, study entities out, every cell accounted for."""

from adapter.recipes.assemble import Assembly, Made, assemble
from adapter.recipes.compile import compile_recipes
from adapter.recipes.compile_cells import Scope
from adapter.recipes.ledger import Ledger, Reject
from adapter.recipes.origin import Origin

__all__ = [
    "Assembly",
    "Ledger",
    "Made",
    "Origin",
    "Reject",
    "Scope",
    "assemble",
    "compile_recipes",
]
