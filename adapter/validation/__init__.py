"""The gate every resource passes before it may be sent.

The compiler behind it is loaded when it is first used: most pushes find nothing new to check.
"""

from typing import TYPE_CHECKING

from adapter.lazy import names

if TYPE_CHECKING:
    from adapter.validation.issues import Issue
    from adapter.validation.validator import Validator

_HOMES = {"Issue": "adapter.validation.issues", "Validator": "adapter.validation.validator"}

__all__ = ["Issue", "Validator"]

__getattr__ = names(__name__, _HOMES)
