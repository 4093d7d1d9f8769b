"""Check digits that LOINC and SNOMED CT put into their codes: a mistyped code shows at once.

LOINC: mod 10 (https://loinc.org/kb/users-guide/). SNOMED CT: Verhoeff's dihedral check over an
identifier of 6 to 18 digits with a partition (https://confluence.ihtsdotools.org/display/DOCRELFMT).
"""

from __future__ import annotations

import re
from collections.abc import Callable

LOINC = re.compile(r"\d{1,7}-\d")
LOINC_PART = re.compile(r"(?:LP|LA|LL|LG)\d{1,8}-\d")
SCTID = re.compile(r"[1-9]\d{5,17}")
# the two digits before the check digit: short and long form of concept, description, relationship
PARTITIONS = frozenset({"00", "01", "02", "10", "11", "12"})


def _dihedral() -> tuple[tuple[int, ...], ...]:
    """The multiplication of the ten symmetries of a pentagon."""

    def product(a: int, b: int) -> int:
        turned = (a % 5 + b % 5) % 5 if a < 5 else (a % 5 - b % 5) % 5
        return turned + (5 if (a < 5) != (b < 5) else 0)

    return tuple(tuple(product(a, b) for b in range(10)) for a in range(10))


def _permutations() -> tuple[tuple[int, ...], ...]:
    """Verhoeff's permutation and its powers; the eighth is the identity again."""
    first = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    rows = [tuple(range(10))]
    for _ in range(7):
        rows.append(tuple(first[digit] for digit in rows[-1]))
    return tuple(rows)


PRODUCT = _dihedral()
PERMUTED = _permutations()


def loinc(code: str) -> str | None:
    """What is wrong with a LOINC code's form or check digit, None when nothing is."""
    if LOINC_PART.fullmatch(code):
        return None
    if not LOINC.fullmatch(code):
        return f"'{code}' does not have the form of a LOINC code (digits, hyphen, check digit)"
    body, stated = code.split("-")
    total = 0
    for position, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value // 10 + value % 10
    meant = -total % 10
    if meant != int(stated):
        return f"the check digit of the LOINC code '{code}' should be {meant}: is it mistyped?"
    return None


def snomed(code: str) -> str | None:
    """What is wrong with a SNOMED CT identifier, None when nothing is, or for an expression."""
    if not code.isascii() or any(c in code for c in ":|+= "):
        return None  # a postcoordinated expression, not an identifier
    if not SCTID.fullmatch(code):
        return f"'{code}' does not have the form of a SNOMED CT identifier (6 to 18 digits)"
    check = 0
    for position, digit in enumerate(reversed(code)):
        check = PRODUCT[check][PERMUTED[position % 8][int(digit)]]
    if check != 0:
        return f"the check digit of the SNOMED CT code '{code}' is wrong: is it mistyped?"
    if code[-3:-1] not in PARTITIONS:
        return f"the SNOMED CT identifier '{code}' has the unknown partition {code[-3:-1]}"
    if code[-2] != "0":
        return f"the SNOMED CT identifier '{code}' is not a concept's"
    return None


CHECKS: dict[str, Callable[[str], str | None]] = {
    "http://loinc.org": loinc,
    "http://snomed.info/sct": snomed,
}


def problem(system: str | None, code: str) -> str | None:
    """What the check digit says against a code, None when nothing or when the system has none."""
    check = CHECKS.get(system) if system is not None else None
    return check(code) if check is not None else None
