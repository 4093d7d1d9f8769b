"""The nodes of a parsed FHIRPath expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the expression."""

    value: Any


@dataclass(frozen=True, slots=True)
class Empty:
    """``{}``."""


@dataclass(frozen=True, slots=True)
class Name:
    """An element's name, or a type's where a path begins."""

    name: str


@dataclass(frozen=True, slots=True)
class Variable:
    """``$this``, ``$index`` or ``$total``."""

    name: str


@dataclass(frozen=True, slots=True)
class External:
    """``%resource`` and its like."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    name: str
    arguments: tuple[Syntax, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """What follows a dot."""

    owner: Syntax
    member: Name | Call | Variable


@dataclass(frozen=True, slots=True)
class Item:
    """``owner[index]``."""

    owner: Syntax
    index: Syntax


@dataclass(frozen=True, slots=True)
class Unary:
    """A sign before a number."""

    operator: str
    operand: Syntax


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands and what stands between them."""

    operator: str
    left: Syntax
    right: Syntax


@dataclass(frozen=True, slots=True)
class OfType:
    """``operand is type`` and ``operand as type``."""

    operator: str
    operand: Syntax
    type: str


Syntax = (
    Literal | Empty | Name | Variable | External | Call | Member | Item | Unary | Binary | OfType
)


def type_name(node: Syntax) -> str | None:
    """The type that an argument names, as in ``ofType(FHIR.Patient)``; None if it names none."""
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Member) and isinstance(node.owner, Name) and isinstance(node.member, Name):
        return f"{node.owner.name}.{node.member.name}"
    return None
