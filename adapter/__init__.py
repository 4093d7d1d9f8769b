"""study-fhir-adapter: what a clinical study holds, as FHIR, proven and kept in step.

The public names are loaded when they are first used, so that the command line starts quickly.
"""

from typing import TYPE_CHECKING

from adapter.lazy import names

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

__getattr__ = names(__name__, _HOMES)
