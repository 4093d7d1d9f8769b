"""What mapping tests share: a context of R4, one of R5, and the child of child_record.py."""

from __future__ import annotations

import pytest
from child_record import default_context

from mappings import Context


@pytest.fixture(scope="session")
def to() -> Context:
    return default_context()


@pytest.fixture(scope="session")
def r5() -> Context:
    return default_context(release="R5")
