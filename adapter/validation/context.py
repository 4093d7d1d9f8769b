"""Where in which resource the validation stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from adapter.validation.issues import Issue

if TYPE_CHECKING:
    from adapter.validation.references import Scope
    from adapter.validation.validator import Validator

Found = list[Issue] | None
# (value, the JSON of its ``_name``, context) -> issues whose paths are relative to the value
Check = Callable[[Any, Any, "Context"], Found]


@dataclass(slots=True)
class Context:
    """One resource under validation: the focus of ``%resource``, and what it lies in.

    It is the ``Environment`` of the FHIRPath expressions that are asked of the resource.
    """

    resource: dict[str, Any]
    root: dict[str, Any]  # the resource that contains it, or itself
    scope: Scope
    validator: Validator
    bundle: dict[str, Any] | None = None
    full_url: str | None = None
    ids: set[str] = field(default_factory=set)  # of the elements seen in the resource
    language: str | None = None  # of the resource
    at: str = ""  # the element that the datatype now checked stands at, for extension contexts
    container: str = ""  # "" at the top, else contained, entry, outcome or parameter
    plain: bool = True  # nothing but the resource is known: a plain reference needs no look-up

    variables: ClassVar[dict[str, Any]] = {}

    def inside(self, resource: dict[str, Any]) -> Context:
        """The context of another resource that this one leads to."""
        return replace(self, resource=resource, root=resource, ids=set())

    def resolve(self, reference: str) -> dict[str, Any] | None:
        """The resource that a reference leads to, if it can be found."""
        return self.scope.resolve(reference, self.root, self.bundle, self.full_url)

    def member_of(self, value: Any, value_set: str) -> bool | None:
        """Whether a code is in a value set; None where that is unknown."""
        return self.validator.terminology.member_of(value, value_set)

    def conforms_to(self, value: dict[str, Any], url: str) -> bool | None:
        """Whether a resource fits a profile; None where the profile is unknown."""
        return self.validator.conforms(value, url, self)


def below(found: Found, prefix: str) -> list[Issue]:
    """The issues of an element, their paths now seen from its parent.

    The issues themselves are changed: a check that keeps some for later gives copies away.
    """
    if not found:
        return []
    for one in found:
        one.path = prefix + one.path
    return found
