"""The gate every resource passes before it may be sent.

The compiler behind it is loaded when it is first used: most pushes find nothing new to check.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapter.validation.issues import Issue
    from adapter.validation.validator import Validator

_HOMES = {"Issue": "adapter.validation.issues", "Validator": "adapter.validation.validator"}

__all__ = ["Issue", "Validator"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'adapter.validation' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
