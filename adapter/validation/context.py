"""Where in which resource the validation stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from adapter.validation.issues import Issue

if TYPE_CHECKING:
    from adapter.validation.fhirpath import Environment
    from adapter.validation.references import Scope

Found = list[Issue] | None
# (value, the JSON of its ``_name``, context) -> issues whose paths are relative to the value
Check = Callable[[Any, Any, "Context"], Found]


@dataclass(slots=True)
class Context:
    """One resource under validation: the focus of ``%resource``, and what it lies in."""

    resource: dict[str, Any]
    root: dict[str, Any]  # the resource that contains it, or itself
    scope: Scope
    environment: Environment
    nested: Callable[[dict[str, Any], Context, str, list[str]], list[Issue]]
    bundle: dict[str, Any] | None = None
    full_url: str | None = None
    ids: set[str] = field(default_factory=set)  # of the elements seen in the resource
    language: str | None = None  # of the resource
    at: str = ""  # the element that the datatype now checked stands at, for extension contexts
    container: str = ""  # "" at the top, else contained, entry, outcome or parameter
    plain: bool = True  # nothing but the resource is known: a plain reference needs no look-up

    def inside(self, resource: dict[str, Any]) -> Context:
        """The context of another resource that this one leads to."""
        environment = replace(self.environment, resource=resource, root=resource)
        return replace(self, resource=resource, root=resource, environment=environment, ids=set())


def below(found: Found, prefix: str) -> list[Issue]:
    """The issues of an element, their paths now seen from its parent.

    The issues themselves are changed: a check that keeps some for later gives copies away.
    """
    if not found:
        return []
    for one in found:
        one.path = prefix + one.path
    return found
