"""study.yaml's field tables: rows in, study entities out, every cell accounted for."""

from adapter.recipes.assemble import Assembly, Made, assemble
from adapter.recipes.compile import Compiler, read_codes
from adapter.recipes.ledger import Ledger, Reject
from adapter.recipes.result import Mapped, Origin

__all__ = [
    "Assembly",
    "Compiler",
    "Ledger",
    "Made",
    "Mapped",
    "Origin",
    "Reject",
    "assemble",
    "read_codes",
]
