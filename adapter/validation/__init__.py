"""The gate every resource passes before it may be sent."""

from adapter.validation.issues import Issue
from adapter.validation.validator import Validator

__all__ = ["Issue", "Validator"]
