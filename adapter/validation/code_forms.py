"""The form of codes whose systems are too large to carry: a slip shows without any server.

UCUM's grammar decides; of the others the form is a hint only, and so are check digits. Languages:
BCP 47; media types: RFC 6838; countries: ISO 3166; currencies: ISO 4217.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from adapter.validation import check_digits, ucum
from adapter.validation.issues import Issue
from adapter.validation.languages import is_language, subtags

UCUM = "http://unitsofmeasure.org"
# RFC 6838, section 4.2; parameters may follow
MEDIA_TYPE = re.compile(
    r"[a-z0-9][\w!#$&^.+-]{0,126}/[a-z0-9*][\w!#$&^.+*-]{0,126}(?:\s*;.*)?", re.I
)
COUNTRY = re.compile(r"[A-Z]{3}|\d{3}|[A-Z]{2}-[A-Z0-9]{1,3}")
CURRENCY = re.compile(r"[A-Z]{3}")


def _country(code: str) -> bool:
    return code in subtags()["region"] or COUNTRY.fullmatch(code) is not None


FORMS: dict[str, Callable[[str], bool]] = {
    "urn:ietf:bcp:47": is_language,
    "urn:ietf:bcp:13": lambda code: MEDIA_TYPE.fullmatch(code) is not None,
    "urn:iso:std:iso:3166": _country,
    "urn:iso:std:iso:4217": lambda code: CURRENCY.fullmatch(code) is not None,
}


def of_coding(system: str | None, code: str, at: str) -> list[Issue]:
    """What the form of a code says against it."""
    if system == UCUM:
        text = ucum.problem(code)
        return [] if text is None else [Issue("error", "code-invalid", at, text, "UCUM_Unit")]
    text = check_digits.problem(system, code)
    if text is not None:
        return [Issue("warning", "code-invalid", at, text, "Code_Check_Digit")]
    return of_code([system], code, at) if system is not None else []


def of_code(systems: Iterable[str | None], code: str, at: str = "") -> list[Issue]:
    """A code that has the form of none of the systems it may belong to."""
    forms = [(one, FORMS.get(one or "")) for one in systems]
    if not forms or any(form is None or form(code) for _, form in forms):
        return []
    named = " or ".join(str(one) for one, _ in forms)
    text = f"'{code}' does not have the form of a code of {named}"
    return [Issue("warning", "code-invalid", at, text, "Code_Form")]
