"""A study as small as the matrix needs: three children unless said, two results each, a list."""

from __future__ import annotations

from itertools import islice
from typing import Any

from adapter.mapped import Mapped

CANARY = "CANARY-NAME-7f3a"
TOKEN = "CANARY-TOKEN-91c2"
SYSTEM = "https://study.test"
ALPHABET = "abcdefhijklmnpqrstuvwxyz"  # o is the site, g the group


def name(letter: str, number: int = 0) -> str:
    """An id of ours."""
    return f"s{(letter * 29)[:29]}{number:02d}"


def letters(children: int) -> list[str]:
    """What tells the children apart: a letter each, then two."""
    pairs = (one + other for one in ALPHABET for other in ALPHABET if one != other)
    return list(islice((*ALPHABET, *pairs), children))


def study(value: float = 1.5, children: int = 3) -> list[Mapped]:
    """The study; ``value`` is the first result of the first child."""
    named = letters(children)
    site = _resource("Organization", name("o"), name="Site")
    items = [Mapped(site, "")]
    for letter in named:
        child = name(letter)
        items.append(Mapped(_resource("Patient", child), child))
        for number in (1, 2):
            held = value if (letter, number) == ("a", 1) else number
            items.append(Mapped(_result(letter, number, held), child))
    members = [{"entity": {"reference": f"Patient/{name(letter)}"}} for letter in named]
    cohort = _resource("Group", name("g"), type="person", actual=True, member=members)
    return [*items, Mapped(cohort, "")]


CHANGED = f"Observation/{name('a', 1)}"


def _result(letter: str, number: int, value: float) -> dict[str, Any]:
    return _resource(
        "Observation",
        name(letter, number),
        status="final",
        code={"text": "result"},
        subject={"reference": f"Patient/{name(letter)}"},
        performer=[{"reference": f"Organization/{name('o')}"}],
        valueQuantity={"value": value, "unit": "mg"},
        note=[{"text": CANARY}],
    )


def _resource(kind: str, given: str, **elements: Any) -> dict[str, Any]:
    identifier = [{"system": f"{SYSTEM}/{kind}", "value": given}]
    meta = {"tag": [{"system": SYSTEM, "code": "T"}]}
    head = {"resourceType": kind, "id": given, "meta": meta, "identifier": identifier}
    return {**head, **elements}
