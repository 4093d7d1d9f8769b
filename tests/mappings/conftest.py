"""What mapping tests share: one context, and the child of child_record.py."""

from __future__ import annotations

import pytest
from child_record import default_context

from mappings import Context


@pytest.fixture(scope="session")
def to() -> Context:
    return default_context()
