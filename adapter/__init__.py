"""study-fhir-adapter: what a clinical study holds, as FHIR, proven and kept in step.

The public names are loaded when they are first used, so that the command line starts quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapter.mapping import MapResult, map_study
    from adapter.service.pushing import push
    from adapter.study import Study
    from adapter.validation import Issue, Validator

__version__ = "0.1.0"

_HOMES = {
    "Issue": "adapter.validation",
    "MapResult": "adapter.mapping",
    "Study": "adapter.study",
    "Validator": "adapter.validation",
    "map_study": "adapter.mapping",
    "push": "adapter.service.pushing",
}

__all__ = ["Issue", "MapResult", "Study", "Validator", "map_study", "push"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'adapter' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
